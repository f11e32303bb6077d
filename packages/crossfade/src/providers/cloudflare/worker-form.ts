import type { WorkerUpload } from '../providers.ts';

/** The multipart form of a Worker upload: one JSON part `metadata`, and one part for each module, named as imported. */
export function workerForm(upload: WorkerUpload): FormData {
  const metadata = {
    main_module: upload.mainModule,
    compatibility_date: upload.compatibilityDate,
    compatibility_flags: upload.compatibilityFlags,
    // All of them, each time: what is not named here is gone from the version.
    bindings: upload.bindings,
    ...(upload.newClasses === undefined
      ? {}
      : {
          migrations: { new_tag: upload.newClasses.migration, new_sqlite_classes: upload.newClasses.names },
        }),
    annotations: { 'workers/tag': upload.tag, 'workers/message': upload.message },
  };
  const form = new FormData();
  form.set('metadata', JSON.stringify(metadata));
  for (const [name, code] of Object.entries(upload.modules)) {
    form.set(name, new File([code], name, { type: 'application/javascript+module' }));
  }
  return form;
}
