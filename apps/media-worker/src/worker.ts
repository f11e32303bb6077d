import { createWorker } from './app.ts';
import { createR2Store } from './r2-store.ts';

/** audafact-api: media from R2, and from legacy through R2 while the migration lasts. */
export default createWorker({ name: 'r2', store: createR2Store, fileUrl: () => null });
