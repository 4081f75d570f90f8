'use client';

import 'swagger-ui-dist/swagger-ui.css';
import './api-viewer.css';
import { useTheme } from 'next-themes';
import { useEffect, useRef, useState } from 'react';

/** The viewer's own style sheet has a dark half under this class of the root element. */
const DARK = 'dark-mode';

interface DeepLinkProps {
  enabled: boolean;
  /** `tag`, or `tag/operation`. */
  path: string;
}

/** The link within the button of an operation does nothing that the button does not: it is text there. */
const unlinkOperations =
  (original: (props: DeepLinkProps) => unknown) =>
  (props: DeepLinkProps): unknown =>
    original({ ...props, enabled: props.enabled && !props.path.includes('/') });

/** Swagger UI, from its package: nothing comes from anywhere else. It is loaded with this page only. */
export function ApiViewer({ url }: { url: string }) {
  const place = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  const { resolvedTheme } = useTheme();

  useEffect(() => {
    let left = false;
    import('swagger-ui-dist/swagger-ui-es-bundle.js')
      .then(({ default: SwaggerUI }) => {
        if (left || !place.current) return;
        SwaggerUI({
          url,
          domNode: place.current,
          deepLinking: true,
          tryItOutEnabled: true,
          persistAuthorization: false,
          // It would ask a server elsewhere.
          validatorUrl: null,
          plugins: [() => ({ wrapComponents: { DeepLink: unlinkOperations } })],
          onComplete: () => {
            setState('shown');
            // Its caption is no label.
            place.current?.querySelector('#servers')?.setAttribute('aria-label', 'Server');
          },
        });
      })
      .catch(() => setState('failed'));
    return () => {
      left = true;
    };
  }, [url]);

  useEffect(() => {
    const { classList } = document.documentElement;
    classList.toggle(DARK, resolvedTheme === 'dark');
    return () => classList.remove(DARK);
  }, [resolvedTheme]);

  return (
    <>
      {state === 'loading' && (
        <p role="status" className="mt-6 text-faint">
          Loading the viewer…
        </p>
      )}
      {state === 'failed' && (
        <p role="alert" className="mt-6 text-bad">
          The viewer could not be loaded. Reload the page, or read the document itself.
        </p>
      )}
      <div ref={place} className="api-viewer mt-4" />
    </>
  );
}
