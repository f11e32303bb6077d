import * as v from 'valibot';
import type { ApiAnswer, ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import {
  httpRequestsAdaptiveGroups,
  r2OperationsAdaptiveGroups,
  r2StorageAdaptiveGroups,
  workersInvocationsAdaptive,
} from './analytics-datasets.ts';
import type { Dataset } from './analytics-datasets.ts';
import { GraphqlError, readGraphqlQuery } from './graphql-query.ts';
import type { GraphqlField } from './graphql-query.ts';

const GraphqlBody = v.object({
  query: v.string(),
  variables: v.optional(v.record(v.string(), v.unknown()), {}),
});

interface Scope {
  readonly tag: 'accountTag' | 'zoneTag';
  readonly datasets: Readonly<Record<string, Dataset>>;
}

const scopes: Readonly<Record<string, Scope>> = {
  accounts: {
    tag: 'accountTag',
    datasets: { workersInvocationsAdaptive, r2OperationsAdaptiveGroups, r2StorageAdaptiveGroups },
  },
  zones: { tag: 'zoneTag', datasets: { httpRequestsAdaptiveGroups } },
};

/** GraphQL Analytics over what the edge and R2 saw. Counts are exact, not sampled as at the vendor. */
export function graphqlHandlers(context: ApiContext): ApiHandlers {
  return {
    'graphql.analytics': async ({ body }) => {
      const { query, variables } = v.parse(GraphqlBody, body);
      try {
        const data: Record<string, unknown> = {};
        for (const field of readGraphqlQuery(query, variables)) {
          if (field.name !== 'viewer') throw new GraphqlError(`unknown field "${field.name}"`);
          data[field.alias] = await viewer(field, context);
        }
        return { status: 200, body: { data, errors: null } };
      } catch (error) {
        if (error instanceof GraphqlError) return failure(error);
        throw error;
      }
    },
  };
}

async function viewer(field: GraphqlField, context: ApiContext): Promise<object> {
  const shown: Record<string, unknown> = {};
  for (const part of field.fields) {
    const scope = scopes[part.name];
    if (scope === undefined) throw new GraphqlError(`unknown field "${part.name}"`);
    checkTag(part, scope.tag, context.identity);
    const owner: Record<string, unknown> = {};
    for (const dataset of part.fields) {
      const answer = scope.datasets[dataset.name];
      if (answer === undefined) throw new GraphqlError(`unknown field "${dataset.name}"`);
      const counted = context.faults.holding('no-analytics').length === 0;
      owner[dataset.alias] = counted ? await answer(dataset, context) : [];
    }
    shown[part.alias] = [owner];
  }
  return shown;
}

function checkTag(field: GraphqlField, tag: Scope['tag'], identity: ApiContext['identity']): void {
  const filter = field.args['filter'];
  const own = tag === 'accountTag' ? identity.accountId : identity.zoneId;
  const asked = typeof filter === 'object' && filter !== null && !Array.isArray(filter) ? Object.entries(filter) : [];
  if (asked.length !== 1 || asked[0]?.[0] !== tag) {
    throw new GraphqlError(`"${field.name}" needs the filter {${tag}: …} and no other`);
  }
  if (asked[0][1] !== own) throw new GraphqlError(`not authorized for that ${field.name.slice(0, -1)}`, 'authz');
}

/** A query that cannot be understood is a 400; one that asks for somebody else's data is a 200 with errors. */
function failure({ message, code }: GraphqlError): ApiAnswer {
  const extensions = { timestamp: new Date().toISOString(), ...(code === null ? {} : { code }) };
  return {
    status: code === null ? 400 : 200,
    body: { data: null, errors: [{ message, path: null, extensions }] },
  };
}
