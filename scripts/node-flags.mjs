import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * With what Node runs Crossfade. Left to itself V8 lets the space for short-lived objects grow to twice that and more
 * as long as many are made, in a long listing say, though nothing more is kept: peak memory would grow with the keys.
 * Less than this costs time, since what is still in use is then moved out too early.
 *
 * `--expose-gc` lets what sockets have read be collected in time (`packages/crossfade/src/providers/s3/read-memory.ts`).
 */
export const NODE_FLAGS = ['--max-semi-space-size=16', '--expose-gc'];

/**
 * Where Node keeps what it compiled, the place that it would take itself. Told by the environment it counts for the
 * first file too: a program can only turn it on after its own types were taken away, and loading what does that costs a
 * tenth of a second of each start.
 */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };
