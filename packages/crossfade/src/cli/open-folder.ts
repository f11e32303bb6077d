import { access, constants, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isGone } from '../transfer/folder-listing.ts';
import { UserError } from './user-error.ts';

/**
 * The real path of a folder that is to be read, or to be written; one that is written may be made yet.
 * @throws UserError when it is a file, is not there, or may not be read or written
 */
export async function demandFolder(path: string, use: 'read' | 'write'): Promise<string> {
  let there: string;
  try {
    const stats = await stat(path);
    if (!stats.isDirectory())
      throw new UserError(
        'CROSSFADE_FOLDER_IS_FILE',
        `${path} is a file, not a folder`,
        'name the folder that it is in',
      );
    there = await realpath(path);
  } catch (error) {
    if (!isGone(error)) throw error;
    if (use === 'read')
      throw new UserError('CROSSFADE_FOLDER_MISSING', `there is no folder ${path}`, 'check how it is spelled');
    const parent = dirname(path);
    const made = await demandFolder(parent, 'write');
    return `${made === '/' ? '' : made}${path.slice(parent === '/' ? 0 : parent.length)}`;
  }
  const wanted = use === 'read' ? constants.R_OK | constants.X_OK : constants.R_OK | constants.W_OK | constants.X_OK;
  await access(there, wanted).catch(() => {
    const code = use === 'read' ? 'CROSSFADE_FOLDER_UNREADABLE' : 'CROSSFADE_FOLDER_READ_ONLY';
    throw new UserError(
      code,
      `the folder ${path} may not be ${use === 'read' ? 'read' : 'written'}`,
      'check who owns it',
    );
  });
  return there;
}
