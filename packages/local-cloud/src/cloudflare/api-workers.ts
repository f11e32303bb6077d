import * as v from 'valibot';
import type { Account, AccountScript, AccountVersion } from './account-state.ts';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import { scriptNamed } from './api-context.ts';
import type { ApiContext } from './api-context.ts';
import { deploy } from './api-worker-deployments.ts';
import { keepVersion, uploadVersion } from './api-worker-versions.ts';
import { runtimeRoutes } from './version-starts.ts';

const SubdomainBody = v.object({ enabled: v.boolean(), previews_enabled: v.optional(v.boolean()) });

/** Scripts as a whole: upload and activate, list, delete, and whether workers.dev reaches them. */
export function scriptHandlers(context: ApiContext): ApiHandlers {
  const { store, runtime, identity } = context;
  const scriptOf = ({ params }: ApiRequest) => scriptNamed(store.current().scripts, params['script_name']);

  return {
    'workers.subdomains.get': () => ok({ subdomain: identity.workersSubdomain }),
    'workers.scripts.scripts.list': () => ok(store.current().scripts.map((script) => shownScript(script))),
    'workers.scripts.scripts.update': async (request) => {
      const name = request.params['script_name'] ?? '';
      if (!/^[a-z0-9_][a-z0-9_-]{0,62}$/.test(name)) {
        throw new ApiFailure(400, 10016, 'A Worker name has lower-case letters, digits, dashes and underscores.');
      }
      const { startupTimeMs } = await uploadVersion(
        context,
        request,
        (draft, version) => activate(draft, name, version),
        (account) => deploy(runtime, scriptNamed(account.scripts, name)),
      );
      return ok({ ...shownScript(scriptOf(request)), startup_time_ms: startupTimeMs });
    },
    'workers.scripts.scripts.delete': async (request) => {
      const script = scriptOf(request);
      await store.change(
        (draft) => {
          draft.scripts = draft.scripts.filter((one) => one.name !== script.name);
          draft.routes = draft.routes.filter((one) => one.script !== script.name);
        },
        (account) => {
          runtime.setRoutes(runtimeRoutes(account));
          runtime.setSubdomain(script.name, { enabled: false, previewsEnabled: false });
          runtime.setDeployment(script.name, []);
        },
      );
      for (const version of script.versions) await store.removeModules(version.id);
      return ok(null);
    },
    'workers.scripts.subdomain.get': (request) => ok(shownSubdomain(scriptOf(request))),
    'workers.scripts.subdomain.create': async (request) => {
      const { name } = scriptOf(request);
      const { enabled, previews_enabled: previews } = v.parse(SubdomainBody, request.body);
      await store.change(
        (draft) => {
          // Left out, the previews follow the switch.
          scriptNamed(draft.scripts, name).subdomain = { enabled, previewsEnabled: previews ?? enabled };
        },
        (account) => runtime.setSubdomain(name, scriptNamed(account.scripts, name).subdomain),
      );
      return ok(shownSubdomain(scriptOf(request)));
    },
  };
}

function activate(draft: Account, name: string, version: AccountVersion): void {
  let script = draft.scripts.find((one) => one.name === name);
  if (script === undefined) {
    script = {
      name,
      createdOn: version.createdOn,
      modifiedOn: version.createdOn,
      subdomain: { enabled: false, previewsEnabled: false },
      versions: [],
      deployments: [],
    };
    draft.scripts.push(script);
  }
  keepVersion(script, version);
  script.deployments.unshift({
    id: crypto.randomUUID(),
    createdOn: version.createdOn,
    annotations: { 'workers/triggered_by': 'upload' },
    versions: [{ version_id: version.id, percentage: 100 }],
  });
}

function shownScript(script: AccountScript) {
  const newest = script.versions[0];
  return {
    id: script.name,
    etag: newest?.etag ?? '',
    handlers: ['fetch'],
    has_modules: true,
    has_assets: false,
    compatibility_date: newest?.compatibilityDate ?? '',
    compatibility_flags: newest?.compatibilityFlags ?? [],
    usage_model: 'standard',
    last_deployed_from: 'api',
    created_on: script.createdOn,
    modified_on: script.modifiedOn,
  };
}

function shownSubdomain({ subdomain }: AccountScript) {
  return { enabled: subdomain.enabled, previews_enabled: subdomain.previewsEnabled };
}
