export { attachWorld, heartbeat, startWorld, stopWorld, type StartOptions } from './world-process.ts';
export type { World, SupabaseHandle } from './world.ts';
