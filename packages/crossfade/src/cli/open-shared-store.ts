import type { Concurrency } from '../transfer/pace.ts';
import type { OpenedStore } from '../transfer/shared/shared-transfer.ts';
import type { CommandFlags } from './main.ts';
import { openLocations, type OpenLocation } from './open-locations.ts';
import { UserError } from './user-error.ts';

/** Opens a location of a shared transfer with this machine's config and environment. @throws UserError as `openLocations` */
export async function openSharedStore(
  flags: CommandFlags,
  text: string,
  use: 'read' | 'write',
  concurrency: Concurrency,
): Promise<OpenedStore> {
  const opened = await openLocations({ flags, wanted: [{ text, use }], prefix: '', concurrency, onSkipped() {} });
  const [location] = opened.locations;
  if (location === undefined) throw new Error(`${text} was not opened`);
  try {
    demandShared(location);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { ...location.store, address: placeText(location), close: () => opened.close() };
}

/** Where a location leads: what tells two stores of one name apart. No credential is in it. */
export function placeText({ place }: OpenLocation): string {
  return `${place.root}/${place.path}`;
}

/** @throws UserError for a folder, which every machine has another of */
export function demandShared({ place, text }: OpenLocation): void {
  if (place.root !== 'folders') return;
  throw new UserError(
    'CROSSFADE_LOCATION_NOT_SHARED',
    `${text} is a folder of this machine: other machines have another one, or none`,
    'copy a folder without --shared',
  );
}
