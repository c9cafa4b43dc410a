/** Reads a `tools/list` answer from a file: the answer itself, its result, or the list of tools. */
import { readBoundedSource } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { isObject } from '../../policy/schema/types.js';
import { MAX_RECORD_DEPTH, parseStrictJson, StrictJsonError } from '../../runtime/strict-json.js';
import { MAX_TOOLS } from './imported-server.js';

/** The longest answer of a server, in bytes, with all of its pages. */
export const MAX_LIST_BYTES = 2 * 1024 * 1024;
/** Bounds what takes time to parse in such an answer. */
const ANSWER_LIMITS = { structures: 200_000, values: 400_000 };

/** One page of a list. */
export interface ToolPage {
  readonly tools: readonly unknown[];
  readonly nextCursor: string | undefined;
}

/** @throws ConfigError */
export function readToolsFile(path: string): readonly unknown[] {
  const { name, text } = readBoundedSource(path, MAX_LIST_BYTES);
  const value = parseAnswer(text, name);
  const { tools, nextCursor } = toToolPage(Array.isArray(value) ? { tools: value } : value, name);
  if (nextCursor !== undefined)
    throw new ConfigError('is one page of a list that goes on (nextCursor): put the tools of all pages into it', name);
  return limitTools(tools, name);
}

/** @param place the file or URL, for errors. @throws ConfigError where the text is no strict JSON */
export function parseAnswer(text: string, place: string): unknown {
  try {
    return parseStrictJson(text, MAX_RECORD_DEPTH, ANSWER_LIMITS);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new ConfigError(`${error.path === '' ? 'the answer' : error.path} ${error.message}`, place);
  }
}

/** @throws ConfigError where it is no answer to `tools/list` */
export function toToolPage(answer: unknown, place: string): ToolPage {
  const result = isObject(answer) && isObject(answer['result']) ? answer['result'] : answer;
  if (!isObject(result) || !Array.isArray(result['tools']))
    throw new ConfigError('is no answer to tools/list: it has no list "tools"', place);
  const { tools, nextCursor } = result;
  return { tools, nextCursor: typeof nextCursor === 'string' && nextCursor !== '' ? nextCursor : undefined };
}

/** @throws ConfigError where there are none, or more than {@link MAX_TOOLS} */
export function limitTools(tools: readonly unknown[], place: string): readonly unknown[] {
  if (tools.length === 0) throw new ConfigError('has no tools', place);
  if (tools.length > MAX_TOOLS) throw new ConfigError(`has more than ${MAX_TOOLS} tools`, place);
  return tools;
}
