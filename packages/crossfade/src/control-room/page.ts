import { fileURLToPath } from 'node:url';
import { buildPage } from '../phases/environment/page-build.ts';

const SOURCES = fileURLToPath(new URL('../../../../apps/dashboard', import.meta.url));
/** The page judges by the server's own code what can be decided now. */
const SHARED = fileURLToPath(new URL('operator-state.ts', import.meta.url));

/** Builds the control room's page, unless it is built already. */
export function buildControlRoomPage(say: (line: string) => void): Promise<string> {
  return buildPage(SOURCES, say, [SHARED]);
}
