using System.Diagnostics;
using System.Runtime.InteropServices;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints.PyTorch;
using TorchSharp;

namespace Pascl.Tests.Training.Checkpoints.PyTorch;

/// <summary>Files that PyTorch itself reads and writes.</summary>
[Platform("Linux")]
public sealed class PythonTests
{
    private const int Width = 4;
    private const int Classes = 5;

    // The authors' network by its description: names, shapes and order of operations. It loads both files strictly, computes logits, and saves what a
    // training script saves: wrapped, with optimiser, schedule and measurements beside the weights.
    private const string Script =
        """
        import sys
        import numpy, torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, channels, out, stride):
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
                self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
                changes = stride != 1 or channels != out
                self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if changes else nn.Sequential()

            def forward(self, x):
                hidden = torch.relu(self.bn1(self.conv1(x)))
                return torch.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))

        class Network(nn.Module):
            def __init__(self, w, classes):
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(3, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w)
                self.layer1 = nn.Sequential(Block(w, w, 1), Block(w, w, 1))
                self.layer2 = nn.Sequential(Block(w, 2 * w, 2), Block(2 * w, 2 * w, 1))
                self.layer3 = nn.Sequential(Block(2 * w, 4 * w, 2), Block(4 * w, 4 * w, 1))
                self.layer4 = nn.Sequential(Block(4 * w, 8 * w, 2), Block(8 * w, 8 * w, 1))
                self.linear = nn.Linear(8 * w, classes)
                self.projection = nn.Sequential(nn.Linear(8 * w, 8 * w), nn.ReLU(), nn.Linear(8 * w, 128))

            def forward(self, x):
                x = torch.relu(self.bn1(self.conv1(x)))
                x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
                return self.linear(x.mean((2, 3)))

        folder, width, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        images = torch.from_numpy(numpy.fromfile(folder + '/images', numpy.float32)).reshape(-1, 3, 16, 16)
        networks = {}
        for branch in ('main', 'auxiliary'):
            networks[branch] = network = Network(width, classes)
            network.load_state_dict(torch.load(f'{folder}/model-{branch}.pth'), strict=True)
            network.eval()
            with torch.no_grad():
                network(images).numpy().tofile(f'{folder}/{branch}.logits')

        other = Network(width, classes)
        adam = torch.optim.Adam(other.parameters())
        other(images).sum().backward()
        adam.step()
        schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [60, 80])
        torch.save({
            'model': nn.DataParallel(networks['main']).state_dict(), 'optimizer': adam.state_dict(), 'scheduler': schedule.state_dict(), 'epoch': 199,
            'best_overall_acc': numpy.mean([0.5, 0.7]), 'f1s': [numpy.float64(0.25), 0.5], 'low_accs': []}, folder + '/latest.pth')
        torch.save(networks['auxiliary'].state_dict(), folder + '/best_clean_acc.pth')
        """;

    [Test]
    public void pytorch_loads_both_files_strictly_with_equal_logits_and_its_own_files_come_back_bit_for_bit()
    {
        var python = FindPython();
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Create(Width, Classes);
        var images = torch.rand(5, 3, 16, 16);
        folder.Write("images", images.bytes);
        var script = folder.Write("check.py", Script);
        WeightExport.WriteTorch(Path.Combine(folder.Path, "model.pth"), network);

        var (code, error) = Run(python, script, folder.Path, $"{Width}", $"{Classes}");
        Assert.That(code, Is.Zero, error);

        var expected = network.Predict(images);
        Assert.Multiple(() =>
        {
            Assert.That(Floats(folder, "main.logits"), Is.EqualTo(expected.MainLogits.contiguous().data<float>().ToArray()).Within(1e-4));
            Assert.That(Floats(folder, "auxiliary.logits"), Is.EqualTo(expected.AuxiliaryLogits.contiguous().data<float>().ToArray()).Within(1e-4));
        });

        using var main = ImportedFile.Open(Path.Combine(folder.Path, "latest.pth"));
        using var auxiliary = ImportedFile.Open(Path.Combine(folder.Path, "best_clean_acc.pth"));
        using var imported = main.Shape.Create();
        ImportedNetwork.Fill(imported, main, auxiliary);
        Assert.That((main.Matched, main.Unused.Count), Is.EqualTo((126, 0)));
        Assert.That(SmallNetworks.Bytes(imported), Is.EqualTo(SmallNetworks.Bytes(network)));
    }

    private static float[] Floats(TemporaryFolder folder, string name) =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder.Path, name))).ToArray();

    private static string FindPython()
    {
        foreach (var candidate in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                if (Run(candidate, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)").Code == 0)
                {
                    return candidate;
                }
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // There is no such program.
            }
        }

        Assert.Ignore("There is no Python with torch here (Debian: apt-get install python3-torch), so PyTorch itself was not asked.");
        return "";
    }

    private static (int Code, string Error) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
