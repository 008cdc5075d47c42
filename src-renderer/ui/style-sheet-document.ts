/**
 * A document for xterm.js that makes no `<style>` elements. The page's content security policy refuses inline styles, and xterm
 * writes its own at run time. Sheets made by script are allowed: what looks like a style element to xterm is an empty span whose
 * text becomes such a sheet.
 */
export function styleSheetDocument(): { readonly document: Document; dispose(): void } {
  const sheets: CSSStyleSheet[] = [];
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
    if (name !== 'style') return document.createElement(name, options);
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    document.adoptedStyleSheets.push(sheet);
    return elementOf(sheet);
  };
  const overridden = new Proxy(document, {
    get(target, name) {
      if (name === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
  return {
    document: overridden,
    dispose: () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
    },
  };
}

function elementOf(sheet: CSSStyleSheet): HTMLElement {
  const element = document.createElement('span');
  element.hidden = true;
  Object.defineProperty(element, 'textContent', { get: () => '', set: (text: string) => sheet.replaceSync(text) });
  return element;
}
