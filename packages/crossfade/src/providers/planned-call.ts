/** A call that would be made: of Cloudflare's API by method and path, of anything else in words. */
export interface PlannedCall {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}
