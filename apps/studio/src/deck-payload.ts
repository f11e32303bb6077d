/** What a dragged track carries: its key, never a URL, since links expire and open the file to whoever has them. */
export interface DeckTrack {
  readonly fileKey: string;
  readonly title: string;
}

const TYPE = 'application/x-audafact-track';

export function writeTrack(transfer: DataTransfer, track: DeckTrack): void {
  transfer.setData(TYPE, JSON.stringify(track));
  transfer.effectAllowed = 'copy';
}

/** Whether a drag carries a track; browsers tell its content only when it is dropped. */
export function carriesTrack(transfer: Pick<DataTransfer, 'types'>): boolean {
  return transfer.types.includes(TYPE);
}

/** The dropped track; `null` for files, links and whatever else people drop. */
export function readTrack(transfer: Pick<DataTransfer, 'getData'>): DeckTrack | null {
  try {
    const value: unknown = JSON.parse(transfer.getData(TYPE));
    if (typeof value !== 'object' || value === null || !('fileKey' in value) || !('title' in value)) return null;
    const { fileKey, title } = value;
    return typeof fileKey === 'string' && typeof title === 'string' ? { fileKey, title } : null;
  } catch {
    return null;
  }
}
