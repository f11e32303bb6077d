import type { Dispatcher } from 'undici';
import type { Tier } from './habits.ts';
import type { Failure, Side } from './tally.ts';
import type { WriteRecord } from './write-record.ts';

export interface Track {
  readonly key: string;
  readonly sizeBytes: number;
  /** Hex SHA-256 of the bytes. */
  readonly sha256: string;
  readonly isProOnly: boolean;
}
export interface DeviceUser {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly tier: Tier;
}

/** What a device needs of the world around it. */
export interface Surroundings {
  /** `http://media.audafact.com:8080` */
  readonly mediaOrigin: string;
  readonly supabase: { readonly url: string; readonly anonKey: string; readonly bucket: string };
  readonly tracks: readonly Track[];
  /** So many ranges of a track are read, one after the other. */
  readonly pieces: number;
  readonly connectionTo: (address: string) => Dispatcher;
  readonly resolve: (name: string) => Promise<string>;
  readonly count: (side: Side, latencyMs: number, failure: Failure | null) => void;
  /** What the uploaders were told. */
  readonly record: WriteRecord;
}
