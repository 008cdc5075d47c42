/** Terminals on the page: while there is one, `document.createElement` is ours. */
let terminals = 0;

/**
 * Lets xterm.js (6.0) draw under a content security policy that refuses inline styles. It writes `<style>` elements and `style` attributes
 * at run time; sheets made by script and the style objects of elements are allowed. So what it takes for a style element is an
 * empty span whose text becomes such a sheet, and the `style` attributes of its spans are set through their style objects. Xterm
 * asks the page's own document for elements, so that is where this has to be, for as long as a terminal draws.
 */
export class TerminalStyles {
  readonly #sheets: CSSStyleSheet[] = [];

  constructor() {
    if (terminals++ === 0) setCreateElement(createElement);
  }

  /** Runs `open`, in which xterm makes its style elements. */
  during(open: () => void): void {
    setCreateElement((name, options) => (name === 'style' ? this.#sheetElement() : createElement(name, options)));
    try {
      open();
    } finally {
      setCreateElement(createElement);
    }
  }

  dispose(): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !this.#sheets.includes(sheet));
    if (--terminals === 0) Reflect.deleteProperty(document, 'createElement');
  }

  #sheetElement(): HTMLElement {
    const sheet = new CSSStyleSheet();
    this.#sheets.push(sheet);
    document.adoptedStyleSheets.push(sheet);
    const element = createElement('span');
    element.hidden = true;
    Object.defineProperty(element, 'textContent', { get: () => '', set: (text: string) => sheet.replaceSync(text) });
    return element;
  }
}

type CreateElement = (name: string, options?: ElementCreationOptions) => HTMLElement;

function setCreateElement(value: CreateElement): void {
  Object.defineProperty(document, 'createElement', { value, configurable: true });
}

function createElement(name: string, options?: ElementCreationOptions): HTMLElement {
  const element = Document.prototype.createElement.call(document, name, options);
  if (name === 'span')
    element.setAttribute = (attribute: string, value: string): void => {
      if (attribute === 'style') element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, attribute, value);
    };
  return element;
}
