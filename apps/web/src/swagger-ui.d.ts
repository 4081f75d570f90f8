/** The package has no types of its own; what we use of it. */
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: {
    url: string;
    domNode: HTMLElement;
    deepLinking?: boolean;
    tryItOutEnabled?: boolean;
    persistAuthorization?: boolean;
    validatorUrl?: string | null;
    plugins?: (() => { wrapComponents: Record<string, unknown> })[];
    onComplete?: () => void;
  }): unknown;
}
