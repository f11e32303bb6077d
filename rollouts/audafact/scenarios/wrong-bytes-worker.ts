import { plantedWorker } from './planted-worker.ts';

/** One byte of one answer in ten is another one, as a broken cache or a wrong offset would make it. */
export default plantedWorker({
  scenario: 'wrong-bytes',
  every: 10,
  async spoil(answer) {
    const healthy = await answer();
    const bytes = new Uint8Array(await healthy.arrayBuffer());
    const middle = bytes.length >> 1;
    const byte = bytes[middle];
    if (healthy.ok && byte !== undefined) bytes[middle] = byte ^ 1;
    // An answer without a body (304) may not get one.
    return new Response(bytes.length === 0 ? null : bytes, healthy);
  },
});
