/**
 * Issuers of many tenants: identity providers that sign for each of their customers under a name of its own, in which the
 * configuration writes `{tenantid}` for the part that differs.
 */

export const TENANT_PLACEHOLDER = '{tenantid}';

/** The tenants whose tokens are accepted. `any` trusts every customer of the provider, whichever it is. */
export type AcceptedTenants = readonly string[] | 'any';

/** One segment of a URL, so that a tenant's name never reaches into another part of the issuer's. */
export const TENANT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Finds the tenant that an issuer's name states.
 * @param template the configured name, with its placeholder once
 * @returns undefined where the name is none of the template's, or its tenant isn't accepted
 */
export function findTenant(issuer: string, template: string, accepted: AcceptedTenants): string | undefined {
  const [before = '', after = ''] = template.split(TENANT_PLACEHOLDER);
  if (issuer.length <= before.length + after.length || !issuer.startsWith(before) || !issuer.endsWith(after))
    return undefined;
  const tenant = issuer.slice(before.length, issuer.length - after.length);
  if (!TENANT_ID.test(tenant)) return undefined;
  return accepted === 'any' || accepted.includes(tenant) ? tenant : undefined;
}
