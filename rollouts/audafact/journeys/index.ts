import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { previewFlow } from './preview-flow.ts';
import { uploadFlow } from './upload-flow.ts';

export const journeys: readonly Journey[] = [previewFlow, uploadFlow];
