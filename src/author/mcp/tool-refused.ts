/** A tool can't be written as an action. The message is the rest of a sentence that begins with the tool. */
export class ToolRefused extends Error {
  override readonly name = 'ToolRefused';
}
