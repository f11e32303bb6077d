import { plantedWorker } from './planted-worker.ts';

/** Long enough to be felt by everybody, short enough that nobody gives up, ms. */
const LATE_MS = 1500;

/** Every signed request is answered, and late, as behind a store that is overloaded. */
export default plantedWorker({
  scenario: 'slow-worker',
  every: 1,
  async spoil(answer) {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    return answer();
  },
});
