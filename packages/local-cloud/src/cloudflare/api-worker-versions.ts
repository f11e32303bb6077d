import type { Account, AccountScript, AccountVersion } from './account-state.ts';
import { ApiFailure, ok, pageOf } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import { scriptNamed } from './api-context.ts';
import type { ApiContext } from './api-context.ts';
import { deployableVersions } from './version-starts.ts';
import { readUpload } from './worker-upload.ts';

/** Uploads without deploying, and what was uploaded. */
export function versionHandlers(context: ApiContext): ApiHandlers {
  const { store } = context;
  const scriptOf = ({ params }: ApiRequest) => scriptNamed(store.current().scripts, params['script_name']);
  return {
    // As at the vendor, a version needs a script: the first upload of a name is a PUT of the script.
    'workers.scripts.versions.create': async (request) => {
      const { name } = scriptOf(request);
      const { version, startupTimeMs } = await uploadVersion(context, request, (draft, uploaded) => {
        keepVersion(scriptNamed(draft.scripts, name), uploaded);
      });
      return ok({ ...versionDetail(scriptOf(request), version), startup_time_ms: startupTimeMs });
    },
    'workers.scripts.versions.list': (request) => {
      const script = scriptOf(request);
      const deployable = request.query['deployable'] === true;
      const versions = deployable ? script.versions.slice(0, deployableVersions) : script.versions;
      const { shown, info } = pageOf(versions, request.query, 10);
      return ok({ items: shown.map((one) => versionHead(script, one)) }, info);
    },
    'workers.scripts.versions.get': (request) => {
      const script = scriptOf(request);
      const version = script.versions.find((one) => one.id === request.params['version_id']);
      if (version === undefined) throw new ApiFailure(404, 10007, 'This version does not exist on the Worker.');
      return ok(versionDetail(script, version));
    },
  };
}

/**
 * Starts what a request uploads and keeps it: `keep` enters it into the account. A version whose code does not start
 * is refused with the runtime's words (10021), never acknowledged.
 */
export async function uploadVersion(
  { store, starts }: ApiContext,
  request: ApiRequest,
  keep: (draft: Account, version: AccountVersion) => void,
  apply?: (account: Account) => void,
): Promise<{ version: AccountVersion; startupTimeMs: number }> {
  const name = request.params['script_name'] ?? '';
  const account = store.current();
  const previous = account.scripts.find((one) => one.name === name)?.versions[0];
  const { version, modules } = readUpload(request, account, previous);
  const startupTimeMs = await starts.start(name, version, modules);
  await store.writeModules(version.id, modules);
  await store.change((draft) => keep(draft, version), apply);
  return { version, startupTimeMs };
}

/** Enters an upload as the script's newest version and numbers it. */
export function keepVersion(script: AccountScript, version: AccountVersion): void {
  version.number = (script.versions[0]?.number ?? 0) + 1;
  script.versions.unshift(version);
  script.modifiedOn = version.createdOn;
}

function versionHead(script: AccountScript, version: AccountVersion) {
  return {
    id: version.id,
    number: version.number,
    annotations: version.annotations,
    metadata: {
      created_on: version.createdOn,
      modified_on: version.createdOn,
      source: 'api',
      hasPreview: script.subdomain.previewsEnabled,
    },
  };
}

function versionDetail(script: AccountScript, version: AccountVersion) {
  return {
    ...versionHead(script, version),
    resources: {
      // A secret's name is shown, its text never again.
      bindings: version.bindings.map((one) => (one.type === 'secret_text' ? { type: one.type, name: one.name } : one)),
      script: { etag: version.etag, handlers: ['fetch'], last_deployed_from: 'api' },
      script_runtime: {
        compatibility_date: version.compatibilityDate,
        compatibility_flags: version.compatibilityFlags,
        usage_model: 'standard',
      },
    },
  };
}
