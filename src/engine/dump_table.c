/* SPDX-License-Identifier: BSD-2-Clause */
/* A table: its parts, then block by block its entries. */
#include "engine/dump.h"

#include "engine/sst_scan.h"

static void fault(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	struct dump *dump = arg;
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = dump->name, .has_offset = true, .offset = offset,
		.what = what };

	if (lost) {
		finding.scope = FSCK_SCOPE_KEYS;
		finding.first = lost->first;
		finding.last = lost->last;
	}
	dump->faults++;
	dump->sink->tell(dump->sink->arg, &finding);
}

static void print_parts(struct dump *dump, const struct sst_scan *scan)
{
	const struct sst_footer *footer = sst_scan_footer(scan);
	const struct sst_properties *properties = sst_scan_properties(scan);
	const struct sst_blobs *blobs = sst_scan_blobs(scan);

	if (footer) {
		dump_begin(dump, "footer");
		dump_number(dump, "number", footer->number);
		dump_number(dump, "version", SST_VERSION);
		dump_id(dump, &footer->id);
		dump_number(dump, "data", footer->data_bytes);
		dump_number(dump, "filter", footer->filter_bytes);
		dump_number(dump, "index", footer->index_bytes);
		dump_number(dump, "blobs", footer->blobs_bytes);
		dump_number(dump, "properties", footer->properties_bytes);
		dump_end(dump);
	}
	if (properties) {
		dump_begin(dump, "properties");
		dump_number(dump, "block-bytes", properties->options.block_bytes);
		dump_number(dump, "filter-bits", properties->options.filter_bits_per_key);
		dump_number(dump, "filter-probes", properties->filter_probes);
		dump_number(dump, "compression", (uint64_t)properties->options.compression);
		dump_number(dump, "blocks", properties->data_blocks);
		dump_meta(dump, sst_scan_meta(scan));
		dump_end(dump);
	}
	for (size_t i = 0; i < blobs->count; i++) {
		dump_begin(dump, "blob-file");
		dump_number(dump, "number", blobs->numbers[i]);
		dump_end(dump);
	}
}

static void print_block(struct dump *dump, const struct sst_scan *scan, size_t i)
{
	dump_begin(dump, "block");
	dump_number(dump, "offset", sst_scan_block_offset(scan, i));
	dump_number(dump, "bytes", sst_scan_block_bytes(scan, i));
	dump_end(dump);
}

static kv_status print_entries(struct dump *dump, struct sst_scan *scan, struct kv_error *err)
{
	struct iter *iter = sst_scan_iter(scan);
	size_t block = SIZE_MAX;
	kv_status status;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to print a table");
	for (iter_seek_first(iter); iter->valid; iter_next(iter)) {
		if (sst_scan_iter_block(iter) != block) {
			block = sst_scan_iter_block(iter);
			print_block(dump, scan, block);
		}
		dump_entry(dump, iter->entry);
	}
	status = iter_status(iter, err);
	iter_close(iter);
	return status;
}

kv_status dump_table(struct dump *dump, struct kv_error *err)
{
	const struct sst_scan_events events = { .fault = fault, .arg = dump };
	struct sst_scan *scan = NULL;
	kv_status status = dump_origin(dump, FILENAME_TABLE, err);

	if (status == KV_OK && (!dump->has_id || dump->number == 0)) {
		dump_fault(dump, 0, "the footer is damaged, and neither the name nor a FORMAT beside the file tells whose it is");
		return KV_OK;
	}
	if (status == KV_OK)
		status = sst_scan_open(&dump->dir, dump->name, &dump->id, dump->number, NULL, &events, &scan, err);
	if (status == KV_OK) {
		print_parts(dump, scan);
		status = print_entries(dump, scan, err);
	}
	sst_scan_close(scan);
	return status;
}
