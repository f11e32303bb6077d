import { isOfTheObject, ProviderError } from '../providers/provider-error.ts';
import type { ObjectStore } from '../providers/providers.ts';
import { ObjectChanged } from '../providers/store-abilities.ts';
import { EgressSpent } from './egress.ts';
import { errorText } from '../rollout/error-text.ts';
import { ListedNotThere } from './listed-entry.ts';

/** What says that a credential is not taken; or, for one object, that its headers were not signed as the store reads them. */
const CREDENTIALS = new Set([
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
]);
const FULL = new Set(['QuotaExceeded', 'StorageFull', 'InsufficientStorage', 'XMinioStorageFull']);
/** Errors of the system after which no other file can be written either. EACCES is one file's, or one folder's. */
const DISK: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
/** Failures one after the other, with no success between them, that are taken for a failure of all. */
const MOST_IN_A_ROW = 100;
/** A store may have no room for one large object and still have it for others: so many in a row are needed. */
const FULL_IN_A_ROW = 3;

/** The transfer ends before its end, since going on would only fail again and again. */
export class TransferStopped extends Error {
  override readonly name = 'TransferStopped';
}

type Reason = 'disk' | 'egress' | 'credential' | 'bucket' | 'full';

function classify(error: unknown): Reason | null {
  if (error instanceof Error && 'code' in error && DISK.has(error.code)) return 'disk';
  if (error instanceof EgressSpent) return 'egress';
  if (!(error instanceof ProviderError)) return null;
  const { status, code } = error;
  if (status === 401 || (code !== null && CREDENTIALS.has(code))) return 'credential';
  if (code === 'NoSuchBucket') return 'bucket';
  return status === 507 || (code !== null && FULL.has(code)) ? 'full' : null;
}

/** Why other objects may fare no better, and what to do; `null` when only this one can be concerned. */
export function reasonToStop(error: unknown): string | null {
  const provider = error instanceof ProviderError ? error.provider : '';
  switch (classify(error)) {
    case 'disk':
      return 'nothing more can be written there';
    case 'egress':
      return 'the egress limit is reached; run it again with another --egress-limit, or without one, to go on';
    case 'credential':
      return `${provider} does not take the credential any more; renew it, then run the same again`;
    case 'bucket':
      return `${provider} has no such bucket any more; check its name, then run the same again`;
    case 'full':
      return `${provider} is full; make room, then run the same again`;
    case null:
      return null;
  }
}

/** What only this object is to blame for, by what a store says or by what it is. */
function isItsOwn(error: unknown): boolean {
  if (error instanceof ListedNotThere || error instanceof ObjectChanged) return true;
  // A request that cannot be written holds a header that no request can: TypeError is also what UnsendableHeader is.
  return error instanceof TypeError || isOfTheObject(error);
}

export interface EarlyStop {
  succeeded(key: string): void;
  /**
   * Asks the stores where the failure may be the object's alone.
   * @throws TransferStopped when there is no use in going on
   */
  failed(key: string, error: unknown): Promise<void>;
}

/** Tells a failure of everything from that of one object, and then of the next. Without stores it believes the failures. */
export function createEarlyStop(stores: { readonly from: ObjectStore; readonly to: ObjectStore } | null): EarlyStop {
  let [inARow, fullInARow] = [0, 0];
  let lastGood: string | null = null;
  let probing: Promise<boolean> | null = null;

  /** Whether a store refuses to list: then the credential or the bucket is what is wrong, whatever the object is. */
  async function refusesToList(): Promise<boolean> {
    if (stores === null) return true;
    for (const store of [stores.from, stores.to]) {
      try {
        for await (const _first of store.list()) break;
      } catch (error) {
        const refused = error instanceof ProviderError && (error.status === 403 || error.status === 404);
        if (refused || classify(error) !== null) return true;
      }
    }
    return false;
  }

  /** Many ask at once when a credential expires. */
  const areRefused = (): Promise<boolean> => (probing ??= refusesToList().finally(() => (probing = null)));

  /** Whether the sources of these failures lie next to each other: an object that was read before still can be. */
  async function othersCanBeRead(error: unknown): Promise<boolean> {
    const isWrite = error instanceof ProviderError && /^(PUT|POST) /.test(error.operation);
    if (isWrite || lastGood === null || stores === null) return false;
    try {
      return (await stores.from.head(lastGood)) !== null && (await stores.to.head(lastGood)) !== null;
    } catch {
      // That it fails as well is the answer; the failure that led here says why.
      return false;
    }
  }

  async function verdictOf(error: unknown): Promise<string | null> {
    const reason = classify(error);
    if (reason === 'disk' || reason === 'egress') return reasonToStop(error);
    if (reason === 'credential' || reason === 'bucket') return (await areRefused()) ? reasonToStop(error) : null;
    if (reason === 'full' && ++fullInARow >= FULL_IN_A_ROW) return reasonToStop(error);
    if (isItsOwn(error)) return null;
    const failures = ++inARow;
    if (failures < MOST_IN_A_ROW) return null;
    if (!(await othersCanBeRead(error))) return `${failures} objects failed in a row`;
    inARow = 0;
    return null;
  }

  return {
    succeeded(key) {
      [inARow, fullInARow, lastGood] = [0, 0, key];
    },
    async failed(key, error) {
      const reason = await verdictOf(error);
      if (reason === null) return;
      throw new TransferStopped(`stopped at ${JSON.stringify(key)}: ${reason} (${errorText(error)})`, { cause: error });
    },
  };
}
