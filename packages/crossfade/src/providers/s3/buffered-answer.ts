import type { Dispatcher, Pool } from 'undici';
import type { Headers } from './answers.ts';
import { wasCopied } from './read-memory.ts';

export interface BufferedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** More than was asked for: reading on would fill the memory with what nobody wants. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

/**
 * One request whose answer is held whole, in `into` when the status is below 300. Nothing is made but the buffer: a
 * stream for each of many small answers costs more than everything else that is done with them.
 * @throws TooLong when more comes than `into` holds, and the connection's own errors
 */
export function requestBuffered(
  pool: Pool,
  options: Dispatcher.DispatchOptions,
  into: Buffer | null,
): Promise<BufferedAnswer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: Headers = {};
    let target: Buffer | null = null;
    let filled = 0;
    const chunks: Buffer[] = [];
    pool.dispatch(options, {
      // A handler without it is taken for one of the older kind.
      onRequestStart() {},
      onResponseStart(_controller, statusCode, answered) {
        [status, headers] = [statusCode, answered];
        target = statusCode < 300 ? into : null;
      },
      onResponseData(controller, chunk) {
        if (target === null) return void chunks.push(chunk);
        if (filled + chunk.byteLength > target.byteLength)
          return controller.abort(new TooLong(`more than the ${target.byteLength} bytes that were asked for`));
        chunk.copy(target, filled);
        filled += chunk.byteLength;
        wasCopied(chunk.byteLength);
      },
      onResponseEnd() {
        const [first] = chunks;
        const whole = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
        resolve({ status, headers, body: target === null ? whole : target.subarray(0, filled) });
      },
      onResponseError(_controller, error) {
        reject(error);
      },
    });
  });
}
