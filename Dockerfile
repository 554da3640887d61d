# The scoring service in a container: docs/serving.md says how to build and to run it.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /pascl
COPY global.json Directory.Build.props Directory.Build.targets Directory.Packages.props .editorconfig README.md LICENSE NOTICE ./
COPY build build
COPY src/Kernels src/Kernels
COPY src/Training src/Training
# Which commit /v1/model names: --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT=
RUN dotnet publish src/Training -c Release -r linux-x64 --no-self-contained -p:SourceRevisionId=$COMMIT -o /published

FROM mcr.microsoft.com/dotnet/aspnet:10.0
COPY --from=build /published /pascl
# The user of the base image that is not root; nothing is written but to standard output.
USER $APP_UID
EXPOSE 8080
# Without curl, which the image does not have. A request of HTTP/1.0 needs no Host header.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '200 OK' <&3"]
ENTRYPOINT ["dotnet", "/pascl/Pascl.Training.dll"]
# The run folder is mounted at /model, read-only.
CMD ["serve", "/model", "--urls", "http://0.0.0.0:8080", "--access-log", "stdout", "--drain-seconds", "5"]
