/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The child is held by a pidfd, so that its end can be waited for beside a timeout, without signals of our own.
 */
#define _GNU_SOURCE
#include "support/daemonproc.h"

#include "base/clock.h"
#include "support/die.h"
#include "support/httpclient.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_TAIL_BYTES = 8000 };

struct daemonproc {
	const char *program;
	char *dir;
	char *config_path;
	char *log_path;
	uint16_t port;

	pid_t pid;       /* 0: does not run */
	int pid_fd;
	int exit_status; /* of the last run */
};

uint16_t daemonproc_find_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		die_errno("cannot find a free port");
	/* stays open: what is bound is given to nobody who asks for any port, or connects; the daemon may have it beside us */
	return ntohs(address.sin_port);
}

static char *path_in(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		die("out of memory");
	return path;
}

void daemonproc_configure(struct daemonproc *proc, const char *settings)
{
	FILE *file = fopen(proc->config_path, "w");

	if (!file)
		die_errno("cannot write '%s'", proc->config_path);
	fprintf(file,
		"listen = {\"127.0.0.1\"}\nport = %u\ndata_dir = \"%sdata\"\nlogfile = \"\"\n"
		"pidfile = \"\"\nuser = \"\"\n%s",
		proc->port, proc->dir, settings);
	if (fclose(file) != 0)
		die_errno("cannot write '%s'", proc->config_path);
}

struct daemonproc *daemonproc_new(const char *dir, const char *settings)
{
	struct daemonproc *proc = calloc(1, sizeof(*proc));

	if (!proc)
		die("out of memory");
	proc->program = getenv("KVSTORED");
	if (!proc->program || access(proc->program, X_OK) != 0)
		die("KVSTORED=%s: not a program", proc->program ? proc->program : "");
	proc->dir = path_in(dir, "");
	proc->config_path = path_in(dir, "kvstored.conf");
	proc->log_path = path_in(dir, "log");
	proc->port = daemonproc_find_port();
	proc->pid_fd = -1;
	daemonproc_configure(proc, settings);
	return proc;
}

struct daemonproc *daemonproc_free(struct daemonproc *proc)
{
	if (!proc)
		return NULL;
	daemonproc_kill(proc);
	free(proc->dir);
	free(proc->config_path);
	free(proc->log_path);
	free(proc);
	return NULL;
}

uint16_t daemonproc_port(const struct daemonproc *proc)
{
	return proc->port;
}

pid_t daemonproc_pid(const struct daemonproc *proc)
{
	return proc->pid;
}

static _Noreturn void run_child(const struct daemonproc *proc, pid_t parent)
{
	int log = open(proc->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || log < 0 ||
		dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	execl(proc->program, proc->program, "-f", "-c", proc->config_path, (char *)NULL);
	_exit(127);
}

void daemonproc_start(struct daemonproc *proc)
{
	pid_t parent = getpid();

	fflush(NULL);
	proc->pid = fork();
	if (proc->pid < 0)
		die_errno("fork");
	if (proc->pid == 0)
		run_child(proc, parent);
	proc->pid_fd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
	if (proc->pid_fd < 0)
		die_errno("pidfd_open");
}

static void reap(struct daemonproc *proc)
{
	int status;

	while (waitpid(proc->pid, &status, 0) < 0) {
		if (errno != EINTR)
			die_errno("waitpid");
	}
	proc->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	close(proc->pid_fd);
	proc->pid_fd = -1;
	proc->pid = 0;
}

bool daemonproc_has_ended(struct daemonproc *proc, int wait_ms)
{
	struct pollfd end = { .fd = proc->pid_fd, .events = POLLIN };

	if (proc->pid == 0)
		return true;
	if (poll(&end, 1, wait_ms) <= 0)
		return false;
	reap(proc);
	return true;
}

bool daemonproc_wait_ready(struct daemonproc *proc, unsigned timeout_ms, uint64_t *ret_elapsed_us)
{
	uint64_t start = clock_monotonic_us();
	struct httpclient *client = httpclient_new(proc->port, 1, timeout_ms);
	bool ready = false;

	/* between exec and listen() there is nothing to wait for but the daemon's end: hence the 1 ms */
	while (!ready && clock_monotonic_us() - start < (uint64_t)timeout_ms * 1000) {
		const struct httpclient_reply *reply = httpclient_simple(client, "GET", "/readyz", NULL);

		ready = reply->outcome == HTTPCLIENT_ANSWERED && reply->status == 200;
		if (!ready && daemonproc_has_ended(proc, 1))
			break;
	}
	if (ready)
		*ret_elapsed_us = clock_monotonic_us() - start;
	httpclient_free(client);
	return ready;
}

void daemonproc_kill(struct daemonproc *proc)
{
	if (proc->pid == 0)
		return;
	kill(proc->pid, SIGKILL);
	reap(proc);
}

void daemonproc_terminate(struct daemonproc *proc)
{
	if (proc->pid != 0)
		kill(proc->pid, SIGTERM);
}

int daemonproc_stop(struct daemonproc *proc, unsigned timeout_ms)
{
	daemonproc_terminate(proc);
	if (!daemonproc_has_ended(proc, (int)timeout_ms)) {
		daemonproc_kill(proc);
		return -1;
	}
	return proc->exit_status < 0 ? -1 : proc->exit_status;
}

int daemonproc_exit_status(const struct daemonproc *proc)
{
	return proc->exit_status;
}

void daemonproc_print_log(const struct daemonproc *proc)
{
	char text[LOG_TAIL_BYTES];
	FILE *file = fopen(proc->log_path, "r");
	size_t len;

	if (!file)
		return;
	if (fseek(file, -(long)sizeof(text), SEEK_END) != 0)
		rewind(file);
	len = fread(text, 1, sizeof(text), file);
	printf("---- the end of %s\n%.*s----\n", proc->log_path, (int)len, text);
	fclose(file);
}
