export default {
  input: "openapi.json",
  output: {
    path: process.env.GENERATED,
    // Node.js requires extensions in relative imports of ES modules.
    module: { extension: ".js" },
  },
  plugins: [
    // Callers provide the address. The default would be the name of the input file.
    { name: "@hey-api/client-fetch", baseUrl: false },
    // Emit named values such as Decision.APPROVED as constant objects.
    { name: "@hey-api/typescript", enums: "javascript" },
    "@hey-api/sdk",
  ],
  logs: { file: false },
};
