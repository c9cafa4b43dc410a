/** Finds words in a text that has hashes and keys as well: in base64, any three letters stand somewhere. */
export const clearText = (...words: readonly string[]): RegExp =>
  new RegExp(`(?<![\\w+/=~-])(?:${words.join('|')})`, 'i');
