import { html, raw } from 'hono/html';
import type { StagingLine, StagingReport } from './staging-report.ts';

const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1a1c1f; --dim: #5c6470; --line: #d8dce2; --good: #14703c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --ink: #eceef1; --dim: #a2abb8; --line: #333a44; --good: #6fd49a; --bad: #ff8a80; } }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; } .dim { color: var(--dim); }
ul { list-style: none; margin: 1.5rem 0; padding: 0; }
li { border-top: 1px solid var(--line); padding: .75rem 0; }
.mark { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
code { font: .9em ui-monospace, monospace; } summary { cursor: pointer; } summary:focus-visible, a:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
pre { overflow: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .25rem; font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; border: 1px solid var(--line); margin-top: .5rem; } a { color: inherit; }`;

function evidence(files: readonly string[]) {
  return files.map((file) => {
    const path = `evidence/${file.split('/').map(encodeURIComponent).join('/')}`;
    return file.endsWith('.png')
      ? html`<p>
          <a href="${path}"><img src="${path}" alt="screenshot: ${file}" loading="lazy" /></a>
        </p>`
      : html`<p><a href="${path}">${file}</a></p>`;
  });
}

function row(line: StagingLine) {
  const { verdict } = line;
  const mark = line.proven
    ? html`<span class="mark good">✔ proven</span>`
    : html`<span class="mark bad">✘ ${verdict === null ? 'not measured' : verdict.status}</span>`;
  return html`<li>
    ${mark} <code>${line.claim}</code> ${line.title}
    ${line.seconds === null ? '' : html`<span class="dim">${line.seconds.toFixed(1)} s</span>`}
    <p>${verdict?.summary ?? 'no verdict'}</p>
    ${verdict?.mend === undefined ? '' : html`<p>To mend it: ${verdict.mend}</p>`}
    ${
      verdict === null
        ? ''
        : html`<details${raw(line.proven ? '' : ' open')}>
          <summary>Measured and expected</summary>
          <pre>${JSON.stringify({ measured: verdict.measured, expected: verdict.expected }, null, 2)}</pre>
          ${evidence(verdict.evidence)}
        </details>`
    }
  </li>`;
}

/** The report as one page without a script: the evidence lies beside it. */
export function stagingPage(report: StagingReport): string {
  const all = report.lines.length;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Staging: ${report.proven} of ${all} proven</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>
          Staging:
          <span class="${report.proven === all ? 'good' : 'bad'}">${report.proven} of ${all} proven</span>
        </h1>
        <p class="dim">${report.rollout} · ${report.startedAt} · ${report.seconds.toFixed(1)} s</p>
        <ul>
          ${report.lines.map(row)}
        </ul>
      </body>
    </html>`;
  return String(page);
}
