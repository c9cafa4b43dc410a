/**
 * Cedar, by cedar-wasm: the only module that imports it, because three of its traps must be met in one place.
 *
 * 1. On Node 20 and 22, V8 aborts the process when optimised code that inlined a wasm call is deoptimised during the
 *    call; the flag below stops the inlining and costs nothing.
 * 2. Every JavaScript exception that leaves the instance leaks stack until the instance is dead for good, and some
 *    texts kill it at once. So after any throw the instance is replaced and its policy sets are prepared again.
 * 3. Candidates (schemas and policies not yet in force) are read by an instance of their own: see {@link CedarEngine}.
 */
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import type { DetailedError, Entities, PolicyJson, SchemaJson, Context } from '@cedar-policy/cedar-wasm/nodejs';
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs';
import { ConfigError, Fault } from '../model/faults.js';

v8.setFlagsFromString('--no-turbo-inline-js-wasm-calls');

type Cedar = typeof CedarModule;

const require = createRequire(import.meta.url);
const MODULE = require.resolve('@cedar-policy/cedar-wasm/nodejs');

/** A new WebAssembly instance, 1 to 2 MB, with no policies. */
function instantiate(): Cedar {
  Reflect.deleteProperty(require.cache, MODULE);
  // Through a parent of its own: a shared one would hold on to every instance there ever was.
  return createRequire(import.meta.url)(MODULE) as Cedar;
}

export interface Ref {
  readonly type: string;
  readonly id: string;
}

export interface Request {
  readonly principal: Ref;
  readonly action: Ref;
  readonly resource: Ref;
  readonly context: Context;
  readonly entities: Entities;
}

export interface Answer {
  readonly decision: 'allow' | 'deny';
  /** Ids of the policies that made the decision, sorted. */
  readonly determining: readonly string[];
  /** Policies that could not be evaluated. Cedar would skip them; whoever reads this must not. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Policies by id, as text or as Cedar's JSON. */
export type PolicySet = Readonly<Record<string, string | PolicyJson>>;

/** Finds the place of a byte offset, as `file:line`. */
export type Locate = (offset: number) => string;

/**
 * One Cedar instance. Use one for reading candidates and let it go; use another for deciding, with
 * {@link define} and {@link authorize}. Calls are synchronous.
 */
export class CedarEngine {
  private cedar = instantiate();
  private readonly sets = new Map<string, PolicySet>();
  private prepared = new Set<string>();
  private replacements = 0;

  /** How often the instance had to be replaced: for metrics and tests. */
  get replaced(): number {
    return this.replacements;
  }

  /** @throws ConfigError at the place that `locate` gives for Cedar's byte offset */
  parsePolicy(text: string, locate: Locate, place: string): PolicyJson {
    const answer = this.reading(place, (cedar) => cedar.policyToJson(text));
    if (answer.type === 'success') return answer.json;
    throw problem(answer.errors, locate, place);
  }

  /** The schema with types resolved. @throws ConfigError */
  parseSchema(text: string, locate: Locate, place: string): SchemaJson<string> {
    const answer = this.reading(place, (cedar) => cedar.schemaToJsonWithResolvedTypes(text));
    if (answer.type === 'failure') throw problem(answer.errors, locate, place);
    if (answer.warnings.length > 0) throw problem(answer.warnings, locate, place);
    return answer.json;
  }

  /**
   * Strict validation; a warning counts as an error, since Cedar warns of policies that can never apply.
   * @param locate finds the place of an offset within the policy of that id
   * @throws ConfigError for the first finding
   */
  validate(
    schema: string,
    policies: Readonly<Record<string, string>>,
    locate: (policy: string, offset: number) => string,
  ): void {
    const answer = this.reading('the policies', (cedar) =>
      cedar.validate({ schema, policies: { staticPolicies: { ...policies } } }),
    );
    if (answer.type === 'failure') throw problem(answer.errors, () => 'the policies', 'the policies');
    const finding = [...answer.validationErrors, ...answer.validationWarnings][0];
    if (finding !== undefined) {
      throw problem([finding.error], (offset) => locate(finding.policyId, offset), locate(finding.policyId, 0));
    }
  }

  /** Names a set of policies for {@link authorize}; it is parsed when first used. The same name replaces. */
  define(set: string, policies: PolicySet): void {
    this.sets.set(set, policies);
    this.prepared.delete(set);
  }

  /** @throws Fault `policies_unavailable` where the instance failed; the next call has a new one */
  authorize(set: string, request: Request): Answer {
    const policies = this.sets.get(set);
    if (policies === undefined) throw new TypeError(`no policy set "${set}"`);
    try {
      this.prepare(set, policies);
      const answer = this.cedar.statefulIsAuthorized({ ...request, preparsedPolicySetId: set });
      if (answer.type === 'failure') return refusal(answer.errors.map((e) => e.message).join('; '));
      const { decision, diagnostics } = answer.response;
      return {
        decision,
        determining: [...diagnostics.reason].sort(),
        errors: diagnostics.errors.map((e) => ({ policy: e.policyId, message: e.error.message })),
      };
    } catch (error) {
      this.replace();
      throw new Fault('policies_unavailable', String(error), { cause: error });
    }
  }

  private prepare(set: string, policies: PolicySet): void {
    if (this.prepared.has(set)) return;
    const answer = this.cedar.preparsePolicySet(set, { staticPolicies: { ...policies } });
    if (answer.type === 'failure') throw new Error(answer.errors.map((e) => e.message).join('; '));
    this.prepared.add(set);
  }

  /** Runs a call that reads a candidate: an instance that it kills takes nothing else with it. */
  private reading<T>(place: string, call: (cedar: Cedar) => T): T {
    try {
      return call(this.cedar);
    } catch (error) {
      this.replace();
      throw new ConfigError(`Cedar can't read this text (too deeply nested?): ${String(error)}`, place);
    }
  }

  private replace(): void {
    this.cedar = instantiate();
    this.prepared = new Set();
    this.replacements += 1;
  }
}

/** A call that Cedar wouldn't take decides nothing, so it is an error of evaluation and denies. */
function refusal(message: string): Answer {
  return { decision: 'deny', determining: [], errors: [{ policy: '', message }] };
}

function problem(errors: readonly DetailedError[], locate: Locate, place: string): ConfigError {
  const first = errors[0];
  const label = first?.sourceLocations?.[0];
  const parts = [first?.message ?? 'unknown problem', label?.label, first?.help].filter((p) => p != null && p !== '');
  return new ConfigError(parts.join('; '), label === undefined ? place : locate(label.start));
}
