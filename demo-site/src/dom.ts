/** Elements by their ID. */

/** The element `id`, which the page is known to have. */
export function element<Type extends HTMLElement = HTMLElement>(id: string, type?: new () => Type): Type {
  const found = document.getElementById(id);
  if (!found || (type && !(found instanceof type))) throw new Error(`the page has no #${id} of the right kind`);
  return found as Type;
}
