# ./build.ps1 build | test | format | bench | publish
param([ValidateSet('build', 'test', 'format', 'bench', 'publish')] [string] $Verb = 'build')

Push-Location $PSScriptRoot
switch ($Verb) {
    'build' { dotnet build Pascl.sln -c Release }
    'test' { dotnet test }
    'format' { dotnet format Pascl.sln }
    'bench' { dotnet run -c Release --project src/Benchmarks -- --filter '*' }
    'publish' { dotnet publish src/Training -c Release -r linux-x64 --self-contained -o artifacts/publish }
}
Pop-Location
exit $LASTEXITCODE
