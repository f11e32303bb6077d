import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The lines of a file one after the other, without the empty ones; none where there is no such file. */
export async function* linesOf(file: string): AsyncGenerator<string> {
  const stream = createReadStream(file);
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) if (line !== '') yield line;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  } finally {
    stream.destroy();
  }
}
