import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import addFormats from 'ajv-formats';
import { OpenAPIBackend } from 'openapi-backend';
import type { Context, Document, ValidationResult } from 'openapi-backend';
import { ApiFailure, refused } from './api-answer.ts';
import type { ApiAnswer, ApiHandlers, UploadedPart } from './api-answer.ts';

export const apiRoot = '/client/v4';

export interface ContractRequest {
  readonly method: string;
  /** Path with the query string. */
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly parts: ReadonlyMap<string, UploadedPart>;
}

export interface ApiContract {
  /** Routes, authenticates and checks the request, runs its handler and checks the answer. Never throws. */
  answer(request: ContractRequest): Promise<ApiAnswer>;
}

interface Owner {
  readonly token: string;
  readonly accountId: string;
  readonly zoneId: string;
}

type Errors = NonNullable<ValidationResult['errors']>;

/** For whom a request is answered, and by what. */
interface Party {
  readonly owner: Owner;
  readonly handlers: ApiHandlers;
}

/** The vendor's document with our handlers behind it. Throws when the two do not name the same operations. */
export async function createApiContract(owner: Owner, handlers: ApiHandlers): Promise<ApiContract> {
  shared ??= openDocument();
  const backend = await shared;
  sameOperations(operationsOf(backend), Object.keys(handlers));
  return { answer: (request) => answer(backend, { owner, handlers }, request) };
}

/** One for all accounts of this process: its validators are compiled at their first use, which takes a second in all. */
let shared: Promise<OpenAPIBackend> | undefined;

const operationsOf = (backend: OpenAPIBackend): string[] => backend.getOperations().map((one) => one.operationId ?? '');

async function openDocument(): Promise<OpenAPIBackend> {
  const definition: Document = JSON.parse(await readFile(new URL('cloudflare.openapi.json', import.meta.url), 'utf8'));
  const backend = new OpenAPIBackend({
    definition,
    apiRoot,
    quick: true,
    strict: false,
    // Of path and query only: in ajvOpts it would coerce bodies too.
    coerceTypes: true,
    ajvOpts: { strict: false, allErrors: true, discriminator: true },
    customizeAjv: (ajv) => {
      addFormats.default(ajv);
      return ajv;
    },
  });
  backend.register({
    validationFail: (context) => refuseInvalid(operationOf(context), context.validation.errors ?? []),
    notFound: (context) => refused(404, [noRoute(context.request.path)]),
    unauthorizedHandler: () => refused(403, [{ code: 10000, message: 'Authentication error' }]),
  });
  backend.registerSecurityHandler('api_token', (context, _parts: unknown, { owner }: Party) =>
    isBearer(headersOf(context)['authorization'] ?? '', owner.token),
  );
  await backend.init();
  // The router makes its list of operations anew for each request, which costs more than the rest of the routing.
  const operations = backend.router.getOperations();
  backend.router.getOperations = () => operations;
  for (const operation of operationsOf(backend)) {
    backend.register(
      operation,
      async (context: Context, parts: ReadonlyMap<string, UploadedPart>, { owner, handlers }: Party) => {
        const { params, query, requestBody } = context.request;
        checkOwner(owner, params);
        const handler = handlers[operation];
        if (handler === undefined) throw new Error(`no handler for ${operation}`);
        const request = {
          operation,
          params: texts(params),
          query,
          headers: headersOf(context),
          body: requestBody,
          parts,
        };
        return drifted(backend, operation, await handler(request));
      },
    );
  }
  return backend;
}

async function answer(backend: OpenAPIBackend, party: Party, request: ContractRequest): Promise<ApiAnswer> {
  const { method, url, headers, body, parts } = request;
  const mark = url.includes('?') ? url.indexOf('?') : url.length;
  const path = url.slice(0, mark);
  const query = url.slice(mark + 1);
  try {
    return await backend.handleRequest({ method, path, query, headers, body }, parts, party);
  } catch (error) {
    if (error instanceof ApiFailure) return refused(error.status, [error.entry]);
    const reason = error instanceof Error ? error.message : String(error);
    return internalError(`${method} ${path}: ${reason}`.replaceAll(party.owner.token, '[token]'));
  }
}

/** The fake must keep to the vendor's document: an answer that does not is our fault, and it must not pass. */
function drifted(backend: OpenAPIBackend, operation: string, given: ApiAnswer): ApiAnswer {
  const declared = backend.getOperation(operation)?.responses ?? {};
  if (!(String(given.status) in declared)) {
    return internalError(`${operation} answered with the undeclared status ${given.status}`);
  }
  if (typeof given.body === 'string') return given;
  const { errors } = backend.validateResponse(given.body, operation, given.status);
  if (!errors) return given;
  return internalError(`${operation} drifted from the contract: ${describe(errors)}`);
}

function internalError(reason: string): ApiAnswer {
  console.error(`cloudflare api: ${reason}`);
  return refused(500, [{ code: 10013, message: reason }]);
}

function refuseInvalid(operation: string, errors: Errors): ApiAnswer {
  const reason = describe(errors);
  const chapter = operation.split('.')[0];
  if (errors.some((one) => /^\/path\/(account|zone)_id$/.test(one.instancePath))) {
    return refused(404, [{ code: 7003, message: 'Could not route, perhaps your object identifier is invalid?' }]);
  }
  if (operation === 'graphql.analytics') return { status: 400, body: { data: null, errors: [{ message: reason }] } };
  if (chapter === 'dns') {
    const chain = [{ code: 9207, message: `Request body is invalid: ${reason}` }];
    return refused(400, [{ code: 1004, message: 'DNS Validation Error', error_chain: chain }]);
  }
  if (chapter === 'r2') {
    const badName = errors.some((one) => /^\/(path\/bucket_name|requestBody\/name)$/.test(one.instancePath));
    return refused(400, [
      badName
        ? { code: 10005, message: 'The specified bucket name is not valid.' }
        : { code: 10040, message: `The JSON you provided was not well formed: ${reason}` },
    ]);
  }
  return refused(400, [{ code: 10021, message: reason }]);
}

/** Where and what, never the value: a body may hold secrets. */
function describe(errors: Errors): string {
  const lines = errors.map((one) => {
    const extra = 'additionalProperty' in one.params ? ` (${String(one.params['additionalProperty'])})` : '';
    return `${one.instancePath.replace(/^\/requestBody/, '') || 'body'} ${one.message ?? one.keyword}${extra}`;
  });
  return [...new Set(lines)].slice(0, 8).join('; ');
}

function checkOwner(owner: Owner, params: Context['request']['params']): void {
  const { account_id: account, zone_id: zone } = params;
  // A token for another account is no token here; a zone of somebody else does not exist.
  if (account !== undefined && account !== owner.accountId) throw new ApiFailure(403, 10000, 'Authentication error');
  if (zone !== undefined && zone !== owner.zoneId) throw new ApiFailure(404, 1003, 'Invalid or missing zone id.');
}

export function isBearer(header: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}

function headersOf(context: Context): Record<string, string> {
  return texts(context.request.headers);
}

function texts(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

function operationOf(context: Context): string {
  return context.operation.operationId ?? '';
}

function noRoute(path: string) {
  return { code: 7003, message: `Could not route to ${path}, perhaps your object identifier is invalid?` };
}

function sameOperations(declared: readonly string[], handled: readonly string[]): void {
  const unhandled = declared.filter((one) => !handled.includes(one));
  const undeclared = handled.filter((one) => !declared.includes(one));
  if (unhandled.length + undeclared.length === 0) return;
  throw new Error(`contract and handlers differ: no handler for [${unhandled}], not in the contract [${undeclared}]`);
}
