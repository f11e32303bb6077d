// A process of its own: Crossfade's copy between two buckets, and the proof. Takes `{from, to}` as JSON.
import { enableCompileCache } from 'node:module';
import type { Address } from './subjects.ts';

// As the command does, before it loads the rest.
enableCompileCache();
const { copyObjects } = await import('@crossfade/crossfade/transfer/copy');
const { verifyObjects } = await import('@crossfade/crossfade/transfer/verify');
const { createObjectStore } = await import('@crossfade/crossfade/providers/s3/object-store');

const PART_BYTES = 16 * 1024 * 1024;
/** What the command takes without a setting. */
const concurrency = 'auto';
const { from: source, to: target }: { from: Address; to: Address } = JSON.parse(process.argv[2] ?? '');
const store = (label: string, address: Address) => createObjectStore({ label, ...address, partSizeBytes: PART_BYTES });
const [from, to] = [store('source', source), store('target', target)];
const { signal } = new AbortController();
const start = performance.now();
const copy = await copyObjects({ from, to, concurrency, signal });
const copied = performance.now();
const { objects, verified, missing, mismatched } = await verifyObjects({ from, to, concurrency, signal });
const seconds = { copy: (copied - start) / 1000, verify: (performance.now() - copied) / 1000 };
console.log(JSON.stringify({ copied: copy.copied, failed: copy.failed.slice(0, 3), objects, verified, seconds }));
if (verified !== objects || missing.length + mismatched.length + copy.failed.length > 0) process.exitCode = 1;
await Promise.all([from.close(), to.close()]);
