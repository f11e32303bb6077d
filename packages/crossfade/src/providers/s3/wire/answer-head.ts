import type { Headers } from '../answers.ts';

/** Bytes that are no HTTP/1.1, or that could be read in two ways. */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
}

/** How the end of a body is told: by its length in bytes, by chunks, or by the end of the connection. */
export type Framing = number | 'chunked' | 'until-end';

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; one that came several times has all its values. */
  readonly headers: Headers;
  readonly framing: Framing;
  /** How long the connection may wait for its next request, ms; 0 when it is not to be used again. */
  readonly keepAliveMs: number;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// oxlint-disable-next-line no-control-regex -- what a header must not hold
const UNWANTED = /[\u0000\r\n]/;
const LONGEST_IDLE_MS = 4000;
/** What a server promises it counts from its own last byte, which was earlier. */
const IDLE_SLACK_MS = 1000;

/**
 * An answer's status line and headers, without the empty line that ends them.
 * @throws BadAnswer where it is none, or where two lengths are told
 */
export function parseHead(text: string, method: string): AnswerHead {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const [, minor, code] = STATUS_LINE.exec(statusLine) ?? [];
  if (code === undefined) throw new BadAnswer(`no HTTP/1.1, it begins with ${JSON.stringify(statusLine.slice(0, 40))}`);
  const headers = parseHeaders(lines);
  const status = Number(code);
  const framing = framingOf(method, status, headers);
  return { status, headers, framing, keepAliveMs: framing === 'until-end' ? 0 : keepAliveMs(headers, minor === '1') };
}

function parseHeaders(lines: readonly string[]): Headers {
  // Without a prototype: a header may have any name.
  const headers: Headers = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = trimmed(line, colon + 1);
    if (colon < 1 || !NAME.test(name) || UNWANTED.test(value))
      throw new BadAnswer(`a header that is none: ${JSON.stringify(line.slice(0, 40))}`);
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return headers;
}

/** The rest of a line without the spaces and tabs around it; other white space belongs to a value. */
function trimmed(line: string, from: number): string {
  let to = line.length;
  while (from < to && isBlank(line.charCodeAt(from))) from++;
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--;
  return line.slice(from, to);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-6.3 */
function framingOf(method: string, status: number, headers: Headers): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  const { 'transfer-encoding': coding, 'content-length': length } = headers;
  if (coding !== undefined) {
    if (String(coding).toLowerCase() !== 'chunked' || length !== undefined)
      throw new BadAnswer(`the transfer-encoding ${JSON.stringify(coding)}, and the length ${JSON.stringify(length)}`);
    return 'chunked';
  }
  if (length === undefined) return 'until-end';
  const lengths = new Set([length].flat());
  const bytes = Number([...lengths][0]);
  if (lengths.size !== 1 || !/^\d+$/.test(String([...lengths][0])) || !Number.isSafeInteger(bytes))
    throw new BadAnswer(`the length ${JSON.stringify(length)}`);
  return bytes;
}

function keepAliveMs(headers: Headers, isNew: boolean): number {
  const told = String(headers['connection'] ?? '').toLowerCase();
  if (told.includes('close') || (!isNew && !told.includes('keep-alive'))) return 0;
  const seconds = /timeout=(\d+)/i.exec(String(headers['keep-alive'] ?? ''))?.[1];
  if (seconds === undefined) return LONGEST_IDLE_MS;
  return Math.max(0, Math.min(LONGEST_IDLE_MS, Number(seconds) * 1000 - IDLE_SLACK_MS));
}
