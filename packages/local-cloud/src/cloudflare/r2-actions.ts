export const S3_PATH = '/cdn-cgi/local/r2/s3';

/** What an S3 request asks for, by the vendor's name for it, as its analytics report it. */
export interface R2Action {
  readonly action: string;
  readonly bucket: string;
  /** As it stands in the path; empty for a bucket. */
  readonly rawKey: string;
}

export function actionOf(method: string, url: URL, isCopy: boolean): R2Action {
  const [bucket = '', ...rest] = url.pathname.slice(S3_PATH.length + 1).split('/');
  const rawKey = rest.join('/');
  const name =
    rawKey === '' ? bucketAction(method, bucket, url.searchParams) : objectAction(method, url.searchParams, isCopy);
  return { bucket, rawKey, action: name };
}

function bucketAction(method: string, bucket: string, query: URLSearchParams): string {
  if (bucket === '') return 'ListBuckets';
  if (query.has('delete')) return 'DeleteObjects';
  if (query.has('uploads')) return 'ListMultipartUploads';
  const byMethod: Record<string, string> = { GET: 'ListObjects', HEAD: 'HeadBucket', PUT: 'CreateBucket' };
  return byMethod[method] ?? 'DeleteBucket';
}

function objectAction(method: string, query: URLSearchParams, isCopy: boolean): string {
  if (query.has('uploads')) return 'CreateMultipartUpload';
  const byMethod: Record<string, string> = query.has('uploadId')
    ? {
        PUT: isCopy ? 'UploadPartCopy' : 'UploadPart',
        POST: 'CompleteMultipartUpload',
        DELETE: 'AbortMultipartUpload',
        GET: 'ListParts',
      }
    : { GET: 'GetObject', HEAD: 'HeadObject', PUT: isCopy ? 'CopyObject' : 'PutObject', DELETE: 'DeleteObject' };
  return byMethod[method] ?? method;
}
