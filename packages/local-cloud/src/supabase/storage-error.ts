/** What the server says to a request that it refuses: the real status (S3 answers with it), and REST's words. */
const FAILURES = {
  NoSuchBucket: [404, 'Bucket not found', 'Bucket not found'],
  NoSuchKey: [404, 'not_found', 'Object not found'],
  NoSuchUpload: [404, 'NoSuchUpload', 'Upload not found'],
  InvalidKey: [400, 'InvalidKey', 'Invalid key'],
  InvalidBucketName: [400, 'Invalid Input', 'Bucket name invalid'],
  InvalidFileSizeLimit: [
    400,
    'invalid_file_size_limit',
    'The requested file_size_limit uses invalid format or is too big',
  ],
  InvalidJWT: [403, 'Unauthorized', 'jwt malformed'],
  InvalidSignature: [400, 'InvalidSignature', 'The url do not match the signature'],
  AccessDenied: [403, 'Unauthorized', 'new row violates row-level security policy'],
  KeyAlreadyExists: [409, 'Duplicate', 'The resource already exists'],
  ResourceAlreadyExists: [409, 'Duplicate', 'The resource already exists'],
  BucketAlreadyExists: [409, 'Duplicate', 'The resource already exists'],
  ResourceNotEmpty: [409, 'InvalidRequest', 'The bucket you tried to delete is not empty'],
  EntityTooLarge: [413, 'Payload too large', 'The object exceeded the maximum allowed size'],
  InvalidMimeType: [415, 'invalid_mime_type', 'mime type is not supported'],
  InvalidRange: [416, 'InvalidRange', 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'InvalidRequest', 'The request is not valid'],
  InvalidPart: [400, 'InvalidPart', 'One or more of the specified parts could not be found'],
  InvalidPartOrder: [400, 'InvalidPartOrder', 'The list of parts was not in ascending order'],
  InvalidChecksum: [400, 'InvalidChecksum', 'Invalid ETag for a part'],
  MissingPart: [400, 'MissingPart', 'A part is missing'],
  MalformedXML: [400, 'MalformedXML', 'The XML you provided was not well-formed'],
  MissingContentLength: [400, 'MissingContentLength', 'You must provide the Content-Length HTTP header'],
  IncompleteBody: [400, 'IncompleteBody', 'The body ended before its announced length'],
  SignatureDoesNotMatch: [403, 'SignatureDoesNotMatch', 'The request could not be authenticated'],
  InvalidAccessKeyId: [403, 'InvalidAccessKeyId', 'The request could not be authenticated'],
  RequestTimeTooSkewed: [403, 'RequestTimeTooSkewed', 'The request could not be authenticated'],
  PreconditionFailed: [412, 'PreconditionFailed', 'At least one of the preconditions did not hold'],
  NotImplemented: [
    501,
    'NotImplemented',
    'A header or query you provided implies functionality that is not implemented',
  ],
  NoSuchRoute: [404, 'Not Found', 'Route not found'],
  /** The pool of the database is exhausted (supabase/storage#362). */
  DatabaseTimeout: [544, 'DatabaseTimeout', 'The connection to the database timed out'],
} as const satisfies Record<string, readonly [number, string, string]>;
export type StorageFailure = keyof typeof FAILURES;

export class StorageError extends Error {
  readonly code: StorageFailure;
  readonly status: number;
  /** What REST calls it. */
  readonly title: string;

  constructor(code: StorageFailure, message: string = FAILURES[code][2]) {
    super(message);
    this.code = code;
    [this.status, this.title] = FAILURES[code];
  }
}
