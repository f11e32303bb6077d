/** What every handler answers with and how a refusal is written: the vendor's envelope. */
export interface ApiMessage {
  readonly code: number;
  readonly message: string;
  readonly error_chain?: readonly { readonly code: number; readonly message: string }[];
}

export interface ApiAnswer {
  readonly status: number;
  /** Objects are sent as JSON, text (the DNS export) and bytes (an object of R2) as they are. */
  readonly body: object | string;
  /** Beside those that say what the body is. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Everything a handler knows of a request; the contract has checked it already. */
export interface ApiRequest {
  readonly operation: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Parts of a multipart upload beside `metadata`, by part name. */
  readonly parts: ReadonlyMap<string, UploadedPart>;
}

export interface UploadedPart {
  readonly type: string;
  readonly text: string;
}

export type ApiHandler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
/** By the contract's operationId. */
export type ApiHandlers = Readonly<Record<string, ApiHandler>>;

/** A refusal in the vendor's words: HTTP status, code and message, for DNS with the real reason in the chain. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly entry: ApiMessage;

  constructor(status: number, code: number, message: string, chain?: readonly { code: number; message: string }[]) {
    super(message);
    this.name = 'ApiFailure';
    this.status = status;
    this.entry = chain === undefined ? { code, message } : { code, message, error_chain: chain };
  }
}

/** `{success, errors, messages, result}` with status 200; `info` becomes `result_info`. */
export function ok(result: unknown, info?: object): ApiAnswer {
  const envelope = { success: true, errors: [], messages: [], result };
  return { status: 200, body: info === undefined ? envelope : { ...envelope, result_info: info } };
}

/** The failure envelope of any number of errors. */
export function refused(status: number, errors: readonly ApiMessage[]): ApiAnswer {
  return { status, body: { success: false, errors, messages: [], result: null } };
}

/** One page of a list with the vendor's `result_info`; `page` counts from 1. */
export function pageOf<Item>(items: readonly Item[], query: Readonly<Record<string, unknown>>, defaultPerPage: number) {
  const page = typeof query['page'] === 'number' ? query['page'] : 1;
  const perPage = typeof query['per_page'] === 'number' ? query['per_page'] : defaultPerPage;
  const shown = items.slice((page - 1) * perPage, page * perPage);
  const info = {
    page,
    per_page: perPage,
    count: shown.length,
    total_count: items.length,
    total_pages: Math.ceil(items.length / perPage),
  };
  return { shown, info };
}
