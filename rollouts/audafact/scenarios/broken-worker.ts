import { plantedWorker } from './planted-worker.ts';

/** One in five signed requests fails, as a leak or an exhausted pool would make it. */
export default plantedWorker({
  scenario: 'broken-worker',
  every: 5,
  spoil: () =>
    Response.json({ error: { code: 'INTERNAL', message: 'planted by the scenario broken-worker' } }, { status: 500 }),
});
