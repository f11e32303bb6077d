/**
 * Scripts that break one way through the studio each, put before its own code. They only take something away from the
 * page, as a careless change would: no error is thrown, nothing is said.
 */
export const STUDIO_FAULTS: Readonly<Record<string, string>> = {
  /** Files are sent to nowhere and never arrive. */
  uploadFlow: `XMLHttpRequest.prototype.send = function () {};`,
  /** The library's play buttons do nothing. */
  previewFlow: `addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button?.closest('[aria-label="Library"]') && /^Play /.test(button.getAttribute('aria-label') ?? button.textContent))
      event.stopImmediatePropagation();
  }, true);`,
  /** What is dropped is not taken. */
  dragAndDrop: `addEventListener('drop', (event) => { event.preventDefault(); event.stopImmediatePropagation(); }, true);`,
  /** On a small screen the page is wider than it. */
  mobileCompatibility: `addEventListener('DOMContentLoaded', () => {
    if (innerWidth < 500) document.body.style.minWidth = '900px';
  });`,
};
