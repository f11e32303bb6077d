/** What one tier may do. Sizes in bytes, the rest are counts. */
export interface TierLimits {
  readonly uploadBytesPerDay: number;
  readonly uploadsPerDay: number;
  readonly largestFile: number;
  readonly previewsPerHour: number;
  readonly downloadsPerDay: number;
  readonly liveUrls: number;
}

export type Rule = 'uploadBytes' | 'uploads' | 'previews' | 'downloads' | 'liveUrls';

/** What the ledger says of one rule. Times in epoch seconds. */
export interface LimitAnswer {
  readonly allowed: boolean;
  readonly rule: Rule;
  readonly limit: number;
  readonly remaining: number;
  /** When the window ends, or the first of the live URLs. */
  readonly resetAt: number;
  /** Seconds until trying again makes sense; 0 when allowed. */
  readonly retryAfter: number;
}

/** Seconds of a rule's window; windows begin at multiples of it since the epoch. */
export const WINDOW_SECONDS: Readonly<Record<Exclude<Rule, 'liveUrls'>, number>> = {
  uploadBytes: 86_400,
  uploads: 86_400,
  previews: 3600,
  downloads: 86_400,
};
