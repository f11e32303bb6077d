import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * With what Node runs Crossfade. Left to itself V8 lets the space for short-lived objects grow to twice that and more
 * as long as many are made, in a long listing say, though nothing more is kept: peak memory would grow with the keys.
 * Less than this costs time, since what is still in use is then moved out too early.
 */
export const NODE_FLAGS = ['--max-semi-space-size=16'];

/**
 * Its environment. Where Node keeps what it compiled, the place that it would take itself: told here it counts for the
 * first file too, since a program can only turn it on after its own types were taken away, and loading what does that
 * costs a tenth of a second of each start.
 *
 * And one heap for glibc instead of one a thread: V8's helpers each leave some of theirs lying, 5 to 15 MiB that grow
 * with the time a copy takes.
 */
export const NODE_ENVIRONMENT = {
  NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
  MALLOC_ARENA_MAX: '1',
};
