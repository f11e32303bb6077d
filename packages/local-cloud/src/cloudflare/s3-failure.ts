import type { ServerResponse } from 'node:http';
import { escapeXml } from '../escape-xml.ts';

/** A refusal in R2's words: HTTP status, S3's code and a message. */
export class S3Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'S3Failure';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function answerFailure(response: ServerResponse, { status, code, message, headers }: S3Failure): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body);
}
