import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeXml } from '../escape-xml.ts';
import type { StorageError } from './storage-error.ts';

export function sendXml(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?>${body}`;
  response.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

export function refuseS3(request: IncomingMessage, response: ServerResponse, error: StorageError): void {
  // The real server may answer without having read the body, and a connection reused after that hangs.
  const headers = { connection: 'close' };
  if (request.method === 'HEAD') return void response.writeHead(error.status, headers).end();
  const { code, message } = error;
  const resource = escapeXml(new URL(request.url ?? '/', 'http://s3').pathname);
  const body = `<Error><Resource>${resource}</Resource><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
  sendXml(response, error.status, body, headers);
}

export async function bodyText(bytes: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
