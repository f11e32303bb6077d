import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as v from 'valibot';
import { UserError } from '../cli/user-error.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Journal } from '../rollout/journal.ts';
import { DECISIONS, operatorStateOf, refusalOf, type Decide, type Sign } from './operator-state.ts';

/** The header in which the page sends what `/api/session` gave it; another site's page can read neither. */
export const TOKEN_HEADER = 'x-crossfade-token';
const TOKEN_BYTES = 32;
const MOST_BYTES = 4096;
const LONGEST_NAME = 80;
const LONGEST_NOTE = 500;

export interface PeopleOptions {
  readonly journal: Journal;
  /** Without it, the page only shows. */
  readonly decide?: Decide | undefined;
  /** Without it, gates are signed off elsewhere. */
  readonly sign?: Sign | undefined;
}

const line = (longest: number, shortest: number, what: string) =>
  v.pipe(
    v.string(`expected ${what}`),
    v.trim(),
    v.check((text) => text.length >= shortest && text.length <= longest && !/\p{Cc}/u.test(text), `expected ${what}`),
  );
const signature = {
  as: line(LONGEST_NAME, 1, `your name, 1 to ${LONGEST_NAME} characters in one line`),
  note: v.optional(line(LONGEST_NOTE, 0, `at most ${LONGEST_NOTE} characters in one line`), ''),
};
const shape = ({ expected }: { expected: string | null }): string =>
  expected === 'never' ? 'there is no such field' : expected === 'Object' ? 'expected an object' : 'it is missing';
const DecisionBody = v.strictObject(
  { decision: v.picklist(DECISIONS, `expected one of ${DECISIONS.join(', ')}`), ...signature },
  shape,
);
const SignOffBody = v.strictObject({ gate: line(LONGEST_NAME, 1, 'the name of a gate'), ...signature }, shape);

function refuse(context: Context, status: 400 | 403 | 409 | 413 | 415 | 500, code: string, message: string): Response {
  return context.json({ error: { code, message } }, status);
}

/** The people's side of the control room: who may say what, and what they said, written to the journal. */
export function peopleRoutes(options: PeopleOptions): Hono {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const app = new Hono();
  app.get('/session', (context) => {
    context.header('cache-control', 'no-store');
    return context.json({ token, decide: options.decide !== undefined, sign: options.sign !== undefined });
  });
  app.post('/decisions', onlyThisPage(token), small, async (context) => {
    const { decide, journal } = options;
    if (decide === undefined) return readOnly(context);
    const body = await readBody(context, DecisionBody);
    if (body instanceof Response) return body;
    const refusal = refusalOf(operatorStateOf(await journal.read()), body.decision);
    if (refusal !== null) return refuse(context, 409, 'CROSSFADE_DECISION_REFUSED', refusal);
    return written(context, () => decide(body.decision, { as: body.as, note: body.note }));
  });
  app.post('/sign-offs', onlyThisPage(token), small, async (context) => {
    const { sign } = options;
    if (sign === undefined) return readOnly(context);
    const body = await readBody(context, SignOffBody);
    if (body instanceof Response) return body;
    return written(context, () => sign(body.gate, { as: body.as, note: body.note }));
  });
  return app;
}

/**
 * A form or a script of another site can send requests here too. It cannot read the token, its browser names its
 * origin, and JSON needs a permission that nobody gives it.
 */
function onlyThisPage(token: string): MiddlewareHandler {
  const expected = Buffer.from(token);
  return async (context, next) => {
    const { origin } = new URL(context.req.url);
    const foreign = 'CROSSFADE_FOREIGN_SITE';
    const site = context.req.header('sec-fetch-site');
    if (site !== undefined && site !== 'same-origin')
      return refuse(context, 403, foreign, `this came from another site (${site}): decide on the control room's page`);
    const from = context.req.header('origin');
    if (from !== undefined && from !== origin)
      return refuse(context, 403, foreign, `this came from ${from}: decide on the control room's page, ${origin}`);
    if (context.req.header('content-type')?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
      return refuse(context, 415, 'CROSSFADE_BODY_TYPE', 'the body must be JSON: content-type application/json');
    const given = Buffer.from(context.req.header(TOKEN_HEADER) ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      return refuse(
        context,
        403,
        'CROSSFADE_TOKEN',
        `the header ${TOKEN_HEADER} must hold the token of /api/session; load the page again`,
      );
    return next();
  };
}

const small = bodyLimit({
  maxSize: MOST_BYTES,
  onError: (context) => refuse(context, 413, 'CROSSFADE_BODY_SIZE', `the body has more than ${MOST_BYTES} bytes`),
});

function readOnly(context: Context): Response {
  return refuse(
    context,
    403,
    'CROSSFADE_READ_ONLY',
    'this control room only shows the rollout; nothing can be decided here',
  );
}

async function readBody<Schema extends v.GenericSchema>(
  context: Context,
  schema: Schema,
): Promise<v.InferOutput<Schema> | Response> {
  let body: unknown;
  try {
    body = JSON.parse(await context.req.text());
  } catch (error) {
    return refuse(context, 400, 'CROSSFADE_BODY', `the body is no JSON: ${errorText(error)}`);
  }
  const parsed = v.safeParse(schema, body);
  if (parsed.success) return parsed.output;
  const fields = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`);
  return refuse(context, 400, 'CROSSFADE_BODY', fields.join('; '));
}

/** 201 with the event's id, or why nothing was written. */
async function written(context: Context, write: () => Promise<string>): Promise<Response> {
  try {
    return context.json({ event: await write() }, 201);
  } catch (error) {
    if (error instanceof UserError) return refuse(context, 409, error.code, `${error.message}; ${error.hint}`);
    return refuse(context, 500, 'CROSSFADE_NOT_WRITTEN', `the journal did not take it: ${errorText(error)}`);
  }
}
