/** A piece of the page, with its attributes and what is in it. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * Puts these pieces in place of what is there, leaving alone the ones that look the same: a person who reads,
 * selects or stands on one with the keyboard is not disturbed by what changed elsewhere.
 */
export function patch(target: HTMLElement, ...children: readonly HTMLElement[]): void {
  const focused = target.contains(document.activeElement) ? document.activeElement?.id : undefined;
  for (const [index, child] of children.entries()) {
    const old = target.children[index];
    if (old === undefined) target.append(child);
    else if (!old.isEqualNode(child)) old.replaceWith(child);
  }
  while (target.children.length > children.length) target.lastElementChild?.remove();
  if (focused !== undefined && focused !== '' && document.activeElement?.id !== focused)
    document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Sets a text that is read aloud when it changes, only when it changed. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** The page's element of that id, of that kind. */
export function placeOf<Kind extends HTMLElement>(id: string, kind: abstract new () => Kind): Kind {
  const found = place(id);
  if (!(found instanceof kind)) throw new Error(`#${id} of the page is no ${kind.name}`);
  return found;
}

/** Something to run by hand, with a button that copies it. */
export function commandToCopy(command: string, id: string): HTMLElement {
  return element(
    'div',
    { class: 'command' },
    element('pre', { tabindex: '0', id: `${id}-text`, 'aria-label': 'What to run by hand' }, command),
    element('button', { type: 'button', id, class: 'copy', 'data-copies': `${id}-text` }, 'Copy'),
  );
}

/** Lets every copy button of the page copy; where the browser forbids it, the text is selected instead. */
export function letCopy(): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-copies]') : null;
    const text = document.getElementById(button?.getAttribute('data-copies') ?? '');
    if (button === null || text === null) return;
    navigator.clipboard.writeText(text.textContent).then(
      () => setText(place('said'), 'Copied'),
      () => {
        getSelection()?.selectAllChildren(text);
        setText(place('said'), 'Selected: the browser lets no page copy here, so press Ctrl+C');
      },
    );
  });
}
