/**
 * Names that this server answers to. A page elsewhere can make its own name lead to this machine (DNS
 * rebinding) and would then be of one origin with it; the browser still sends that name as `Host`. What
 * nobody can take over is let in without being configured: addresses written as numbers, loopback names
 * and, on a server that is open to a network, names without a dot (`http://web:8000` of a container).
 */
import { hostname as machineName } from 'node:os';
import ipaddr from 'ipaddr.js';

export interface HostRules {
  /** What the server listens on. */
  host: string;
  /** Where people reach it, or null. */
  publicUrl: string | null;
  /** More names; `*.example.org` stands for all below, `*` for any. */
  allowedHosts: readonly string[];
}

/** Name or address in lower case, without port and brackets; null for what is no host at all. */
export function hostnameOf(authority: string): string | null {
  if (!/^[\w.:[\]-]+$/.test(authority) || !URL.canParse(`http://${authority}`)) return null;
  const { hostname } = new URL(`http://${authority}`);
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

const isLoopback = (name: string): boolean =>
  name === 'localhost' ||
  name.endsWith('.localhost') ||
  (ipaddr.isValid(name) && ipaddr.process(name).range() === 'loopback');

/** @returns whether a `Host` header names this server */
export function hostCheck({
  host,
  publicUrl,
  allowedHosts,
}: HostRules): (header: string) => boolean {
  const open = !isLoopback(host);
  const names = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()));
  if (publicUrl) names.add(new URL(publicUrl).hostname);
  if (open) names.add(machineName().toLowerCase());
  const suffixes = [...names].filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
  return (header) => {
    const name = hostnameOf(header);
    if (name === null) return false;
    return (
      ipaddr.isValid(name) ||
      isLoopback(name) ||
      names.has('*') ||
      names.has(name) ||
      suffixes.some((suffix) => name.endsWith(suffix)) ||
      (open && !name.includes('.'))
    );
  };
}
