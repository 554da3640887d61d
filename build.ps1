# ./build.ps1 build | test | format | bench | publish | bundle
param([ValidateSet('build', 'test', 'format', 'bench', 'publish', 'bundle')] [string] $Verb = 'build')

Push-Location $PSScriptRoot
switch ($Verb) {
    'build' { dotnet build Pascl.sln -c Release }
    'test' { dotnet test -c Release }
    'format' { dotnet format Pascl.sln }
    'bench' { dotnet run -c Release --project src/Benchmarks -- --filter '*' }
    'publish' { dotnet publish src/Training -c Release -r linux-x64 --self-contained -o artifacts/publish }
    'bundle' {
        # For a GPU machine without .NET: the programs and the tests over one copy of the runtime, without libtorch.
        Remove-Item -Recurse -Force artifacts/bundle -ErrorAction SilentlyContinue
        foreach ($project in 'src/Training', 'src/Benchmarks', 'tests') {
            dotnet publish $project -c Release -r linux-x64 --self-contained -p:LibTorch=none -o artifacts/bundle
            if ($LASTEXITCODE -ne 0) { break }
        }
        # The runtime's debugging libraries, the documentation files and ONNX Runtime (models are exported elsewhere) are of no use there.
        Remove-Item artifacts/bundle/libmscord*.so, artifacts/bundle/libonnxruntime*.so, artifacts/bundle/onnxruntime*.dll, artifacts/bundle/*.xml
        if ($LASTEXITCODE -eq 0) {
            # The Python peers, which run our benchmarks there and have no repository to ask for the commit.
            Copy-Item -Recurse src/Benchmarks/peers artifacts/bundle/peers
            git describe --always --dirty | Set-Content artifacts/bundle/peers/COMMIT
            tar --create --xz --file artifacts/pascl-bundle.tar.xz --directory artifacts bundle
        }
    }
}
Pop-Location
exit $LASTEXITCODE
