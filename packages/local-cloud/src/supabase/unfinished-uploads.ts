import { escapeXml } from '../escape-xml.ts';

const PAGE = 1000;

interface Unfinished {
  readonly bucket: string;
  readonly name: string;
  readonly begunAt: Date;
  readonly parts: Map<number, { etag: string; size: number }>;
}

/** Multipart uploads that were begun and not ended, as ListMultipartUploads and ListParts tell of them. */
export function createUnfinishedUploads() {
  const uploads = new Map<string, Unfinished>();
  return {
    begin(id: string, bucket: string, name: string): void {
      uploads.set(id, { bucket, name, begunAt: new Date(), parts: new Map() });
    },
    part(id: string, number: number, etag: string, size: number): void {
      uploads.get(id)?.parts.set(number, { etag, size });
    },
    end(id: string): void {
      uploads.delete(id);
    },
    list(bucket: string, prefix: string): string {
      const found = [...uploads].filter(([, one]) => one.bucket === bucket && one.name.startsWith(prefix));
      const rows = found.map(
        ([id, { name, begunAt }]) =>
          `<Upload><Key>${escapeXml(name)}</Key><UploadId>${id}</UploadId><Initiated>${begunAt.toISOString()}</Initiated></Upload>`,
      );
      return `<ListMultipartUploadsResult><Bucket>${escapeXml(bucket)}</Bucket><IsTruncated>false</IsTruncated>${rows.join('')}</ListMultipartUploadsResult>`;
    },
    /** A page of an upload's parts behind this number. */
    parts(id: string, after: number): string {
      const all = [...(uploads.get(id)?.parts ?? [])]
        .filter(([number]) => number > after)
        .toSorted(([a], [b]) => a - b);
      const page = all.slice(0, PAGE);
      const rows = page.map(
        ([number, { etag, size }]) =>
          `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Part>`,
      );
      const next = all.length > PAGE ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : '';
      return `<ListPartsResult><UploadId>${id}</UploadId><IsTruncated>${all.length > PAGE}</IsTruncated>${next}${rows.join('')}</ListPartsResult>`;
    },
  };
}
