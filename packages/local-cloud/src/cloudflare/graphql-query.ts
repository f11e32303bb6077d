/**
 * Reads the part of GraphQL that analytics queries use: one operation, variables, aliases, arguments. Fragments and
 * directives are refused, not skipped.
 */
export type GraphqlValue = string | number | boolean | null | readonly GraphqlValue[] | { [key: string]: GraphqlValue };

export interface GraphqlField {
  readonly name: string;
  readonly alias: string;
  readonly args: Readonly<Record<string, GraphqlValue>>;
  readonly fields: readonly GraphqlField[];
}

/** A query that cannot be answered, in the words for its `errors` entry. */
export class GraphqlError extends Error {
  readonly code: string | null;

  constructor(message: string, code: string | null = null) {
    super(message);
    this.name = 'GraphqlError';
    this.code = code;
  }
}

type Variables = Readonly<Record<string, unknown>>;

/** The selected fields with variables filled in. Throws `GraphqlError`. */
export function readGraphqlQuery(query: string, given: Variables): readonly GraphqlField[] {
  const reader = new TokenReader(tokenize(query));
  if (!reader.take('{')) {
    const keyword = reader.name();
    if (keyword !== 'query') throw new GraphqlError(`"${keyword}" is not supported: analytics answer queries only`);
    if (!reader.at('{') && !reader.at('(')) reader.name();
    const variables = reader.at('(') ? { ...readDefaults(reader), ...given } : given;
    reader.expect('{');
    return finish(reader, readFields(reader, variables));
  }
  return finish(reader, readFields(reader, given));
}

function finish(reader: TokenReader, fields: readonly GraphqlField[]): readonly GraphqlField[] {
  if (!reader.ended()) throw new GraphqlError('only one operation, without fragments, is supported');
  return fields;
}

/** The defaults of `($name: Type! = value, …)`; types are the vendor's own and not checked here. */
function readDefaults(reader: TokenReader): Record<string, GraphqlValue> {
  const defaults: Record<string, GraphqlValue> = {};
  reader.expect('(');
  while (!reader.take(')')) {
    reader.expect('$');
    const name = reader.name();
    reader.expect(':');
    while (reader.take('[')) continue;
    reader.name();
    while (reader.take('!') || reader.take(']')) continue;
    if (reader.take('=')) defaults[name] = readValue(reader, {});
  }
  return defaults;
}

/** After the opening brace, to the closing one. */
function readFields(reader: TokenReader, variables: Variables): GraphqlField[] {
  const fields: GraphqlField[] = [];
  while (!reader.take('}')) {
    const first = reader.name();
    const name = reader.take(':') ? reader.name() : first;
    const args: Record<string, GraphqlValue> = {};
    if (reader.take('(')) {
      while (!reader.take(')')) {
        const arg = reader.name();
        reader.expect(':');
        args[arg] = readValue(reader, variables);
      }
    }
    fields.push({ name, alias: first, args, fields: reader.take('{') ? readFields(reader, variables) : [] });
  }
  if (fields.length === 0) throw new GraphqlError('a selection is empty');
  return fields;
}

function readValue(reader: TokenReader, variables: Variables): GraphqlValue {
  if (reader.take('$')) {
    const name = reader.name();
    if (!(name in variables)) throw new GraphqlError(`variable "$${name}" has no value`);
    return toValue(variables[name]);
  }
  if (reader.take('[')) {
    const items: GraphqlValue[] = [];
    while (!reader.take(']')) items.push(readValue(reader, variables));
    return items;
  }
  if (reader.take('{')) {
    const object: Record<string, GraphqlValue> = {};
    while (!reader.take('}')) {
      const key = reader.name();
      reader.expect(':');
      object[key] = readValue(reader, variables);
    }
    return object;
  }
  return scalar(reader.next());
}

function scalar(token: string): GraphqlValue {
  if (token === 'true' || token === 'false') return token === 'true';
  if (token === 'null') return null;
  if (token.startsWith('"')) return unquote(token);
  if (/^-?\d/.test(token)) return Number(token);
  if (/^[A-Za-z_]/.test(token)) return token;
  throw new GraphqlError(`syntax error: unexpected "${token}"`);
}

function unquote(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    throw new GraphqlError('syntax error: a string is malformed');
  }
}

/** A variable comes from JSON, so it is one of these already; `undefined` cannot be sent. */
function toValue(value: unknown): GraphqlValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(toValue);
  if (typeof value !== 'object' || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toValue(one)]));
}

const tokenPattern = /"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?|[A-Za-z_]\w*|\.\.\.|[{}()[\]:$!=@]/y;
const ignored = /(?:[\s,\uFEFF]|#[^\n]*)*/y;

function tokenize(query: string): readonly string[] {
  const tokens: string[] = [];
  let at = 0;
  for (;;) {
    ignored.lastIndex = at;
    ignored.exec(query);
    at = ignored.lastIndex;
    if (at >= query.length) return tokens;
    tokenPattern.lastIndex = at;
    const token = tokenPattern.exec(query)?.[0];
    if (token === undefined) throw new GraphqlError(`syntax error: unexpected "${query.charAt(at)}"`);
    if (token === '...' || token === '@') throw new GraphqlError('fragments and directives are not supported');
    tokens.push(token);
    at = tokenPattern.lastIndex;
  }
}

class TokenReader {
  private position = 0;
  private readonly tokens: readonly string[];

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
  }

  ended(): boolean {
    return this.position >= this.tokens.length;
  }

  at(token: string): boolean {
    return this.tokens[this.position] === token;
  }

  take(token: string): boolean {
    if (!this.at(token)) return false;
    this.position += 1;
    return true;
  }

  next(): string {
    const token = this.tokens[this.position];
    if (token === undefined) throw new GraphqlError('syntax error: the query ends too early');
    this.position += 1;
    return token;
  }

  expect(token: string): void {
    const found = this.next();
    if (found !== token) throw new GraphqlError(`syntax error: expected "${token}", found "${found}"`);
  }

  name(): string {
    const token = this.next();
    if (!/^[A-Za-z_]/.test(token)) throw new GraphqlError(`syntax error: expected a name, found "${token}"`);
    return token;
  }
}
