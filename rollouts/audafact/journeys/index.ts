import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { accessibility } from './accessibility.ts';
import { dragAndDrop } from './drag-and-drop.ts';
import { mobileCompatibility } from './mobile-compatibility.ts';
import { previewFlow } from './preview-flow.ts';
import { uploadFlow } from './upload-flow.ts';

export const journeys: readonly Journey[] = [previewFlow, uploadFlow, dragAndDrop, mobileCompatibility, accessibility];
