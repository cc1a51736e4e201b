/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three processes for a moment:
 *
 *   caller    waits for the watcher and exits as it did
 *   watcher   leads the new session; reads the pipe; waits for the daemon when the pipe ends without a message, so that
 *             a death by signal is told as well
 *   daemon    child of the watcher, no session leader: it can never get a terminal
 *
 * One message goes through the pipe: the exit code as one byte, then (unless 0) the error as text.
 */
#define _GNU_SOURCE
#include "daemon/daemonize.h"
#include "daemon/exit_code.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1 + 1024, EXIT_BY_SIGNAL = 128 };

static int ready_fd = -1; /* the daemon's end of the pipe; -1: nobody waits */

/* How `pid` ended, as an exit code. */
static int wait_for_end(pid_t pid)
{
	int how;

	while (waitpid(pid, &how, 0) < 0) {
		if (errno != EINTR)
			return EXIT_CODE_IO;
	}
	if (WIFSIGNALED(how)) {
		fprintf(stderr, "kvstored: ended by signal %d (%s) before it was ready\n", WTERMSIG(how),
			strsignal(WTERMSIG(how)));
		return EXIT_BY_SIGNAL + WTERMSIG(how);
	}
	return WEXITSTATUS(how);
}

static size_t read_message(int fd, char *message)
{
	size_t len = 0;
	ssize_t got;

	while (len < MESSAGE_MAX && (got = read(fd, message + len, MESSAGE_MAX - len)) != 0) {
		if (got > 0)
			len += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	return len;
}

static _Noreturn void watch(pid_t daemon, int fd)
{
	char message[MESSAGE_MAX];
	size_t len = read_message(fd, message);
	int code;

	if (len == 0) {
		code = wait_for_end(daemon);
		if (code == 0) /* it never said that it was ready */
			code = EXIT_CODE_IO;
	} else {
		code = (unsigned char)message[0];
		if (len > 1)
			fprintf(stderr, "kvstored: %.*s\n", (int)(len - 1), message + 1);
		if (code != 0)
			(void)wait_for_end(daemon); /* when we say that it failed, it is gone */
	}
	_exit(code);
}

/* Points `fd` at /dev/null. */
static kv_status silence(int fd, struct kv_error *err)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int errnum = 0;

	if (null_fd < 0)
		return kv_error_errno(err, errno, "/dev/null", "cannot open");
	if (null_fd == fd)
		return KV_OK; /* cppcheck-suppress resourceLeak ; it stays open as `fd` */
	if (dup2(null_fd, fd) < 0)
		errnum = errno;
	close(null_fd);
	return errnum == 0 ? KV_OK : kv_error_errno(err, errnum, "/dev/null", "cannot use");
}

/* In the daemon, before anything else is done. */
static void settle(int fd)
{
	struct kv_error err;
	kv_status status = KV_OK;

	ready_fd = fd;
	umask(077);
	if (chdir("/") != 0)
		status = kv_error_errno(&err, errno, "/", "cannot change to");
	if (status == KV_OK)
		status = silence(STDIN_FILENO, &err);
	if (status == KV_OK)
		status = silence(STDOUT_FILENO, &err);
	if (status != KV_OK) {
		daemonize_failed(EXIT_CODE_IO, err.text);
		_exit(EXIT_CODE_IO);
	}
}

/* In the watcher: returns in the daemon only. */
static void fork_daemon(int pipe_fds[2])
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "kvstored: cannot fork: %s\n", strerror(errno));
		_exit(EXIT_CODE_IO);
	}
	if (pid > 0) {
		close(pipe_fds[1]);
		watch(pid, pipe_fds[0]);
	}
	close(pipe_fds[0]);
	settle(pipe_fds[1]);
}

kv_status daemonize_open_standard_files(struct kv_error *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		kv_status status = KV_OK;

		if (fcntl(fd, F_GETFD) < 0)
			status = silence(fd, err);
		if (status != KV_OK)
			return status;
	}
	return KV_OK;
}

void daemonize_close_others(size_t kept)
{
	closefrom(STDERR_FILENO + 1 + (int)kept);
}

kv_status daemonize_start(struct kv_error *err)
{
	int pipe_fds[2];
	kv_status status;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return kv_error_errno(err, errno, "", "cannot make a pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		status = kv_error_errno(err, errno, "", "cannot fork");
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return status;
	}
	if (pid == 0) {
		fork_daemon(pipe_fds);
		return KV_OK;
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	_exit(wait_for_end(pid));
}

/* Pipe writes of up to PIPE_BUF bytes are not torn, so there is no short write to take care of. */
static bool tell(int code, const char *text)
{
	char message[MESSAGE_MAX];
	size_t len = strnlen(text, MESSAGE_MAX - 1);
	ssize_t put;

	message[0] = (char)code;
	memcpy(message + 1, text, len);
	do
		put = write(ready_fd, message, 1 + len);
	while (put < 0 && errno == EINTR);
	close(ready_fd);
	ready_fd = -1;
	return put > 0;
}

void daemonize_ready(void)
{
	if (ready_fd < 0)
		return;
	silence(STDERR_FILENO, NULL);
	tell(0, "");
}

bool daemonize_failed(int code, const char *text)
{
	return ready_fd >= 0 && tell(code, text);
}
